// The page's language, and how a page's texts are written down: both languages, every key in each.

export type Language = "en" | "zh";
export type Values = Record<string, string | number>;

const STORED = "puhui.language";

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "en" || stored === "zh") {
    return stored;
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let current = $state<Language>(preferred());

export const language = {
  get current(): Language {
    return current;
  },
  set(wanted: Language): void {
    current = wanted;
    localStorage.setItem(STORED, wanted);
    document.documentElement.lang = wanted;
  },
};

document.documentElement.lang = current;

// Gives a function of a key, and of what stands in {braces} in its text.
export function texts<Key extends string>(
  en: Record<Key, string>,
  zh: Record<NoInfer<Key>, string>,
): (key: Key, values?: Values) => string {
  return (key, values) => {
    const template = (current === "zh" ? zh : en)[key];
    return values === undefined
      ? template
      : template.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  };
}

// One of two texts that a server sent in both languages.
export function either(en: string, zh: string): string {
  return current === "zh" ? zh : en;
}
