// Dark or light: as the system prefers, until the reader chooses.

export type Theme = "light" | "dark";

const STORED = "puhui.theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function preferred(): Theme {
  const stored = localStorage.getItem(STORED);
  if (stored === "light" || stored === "dark") {
    return stored;
  }
  return prefersDark.matches ? "dark" : "light";
}

let current = $state<Theme>(preferred());

function show(): void {
  document.documentElement.dataset.theme = current;
}

prefersDark.addEventListener("change", () => {
  current = preferred();
  show();
});
show();

export const theme = {
  get current(): Theme {
    return current;
  },
  toggle(): void {
    current = current === "dark" ? "light" : "dark";
    localStorage.setItem(STORED, current);
    show();
  },
};
