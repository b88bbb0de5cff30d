// Short messages at the edge of the page, which go by themselves.

export type Tone = "info" | "success" | "error";
export interface Toast {
  id: number;
  tone: Tone;
  text: string;
}

const SHOWN_MS = 6_000;
const KEPT = 4;
let nextId = 1;
let current = $state<Toast[]>([]);

export const toasts = {
  get current(): Toast[] {
    return current;
  },
  show(text: string, tone: Tone = "info"): void {
    const id = nextId++;
    current = [...current.slice(-(KEPT - 1)), { id, tone, text }];
    setTimeout(() => toasts.dismiss(id), SHOWN_MS);
  },
  dismiss(id: number): void {
    current = current.filter((toast) => toast.id !== id);
  },
};
