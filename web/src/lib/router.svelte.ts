// Where the reader is: the part of the address behind "#", such as #/trade/GD-PHCER?side=buy.

function read(): string {
  return location.hash.slice(1) || "/";
}

let current = $state(read());
addEventListener("hashchange", () => {
  current = read();
});

export const route = {
  // The parts of the path, decoded: ["trade", "GD-PHCER"].
  get segments(): string[] {
    const path = current.split("?", 1)[0] ?? "";
    return path.split("/").filter(Boolean).map(decodeURIComponent);
  },
  get query(): URLSearchParams {
    return new URLSearchParams(current.split("?")[1] ?? "");
  },
};

// The address of a page, for links: href("trade", "GD-PHCER").
export function href(...segments: string[]): string {
  return `#/${segments.map(encodeURIComponent).join("/")}`;
}

export function go(...segments: string[]): void {
  location.hash = href(...segments);
}
