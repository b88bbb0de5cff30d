// Who is signed in. The token stays in this tab: in memory, and in its session storage for a reload.

export type Role =
  | "trader"
  | "market_maker"
  | "compliance"
  | "event_organiser"
  | "registry"
  | "settlement"
  | "operator"
  | "auditor";

export interface Session {
  token: string;
  expires_at: string;
  account: string;
  username: string;
  roles: Role[];
}

const STORED = "puhui.session";

function stored(): Session | null {
  const text = sessionStorage.getItem(STORED);
  const found = text === null ? null : (JSON.parse(text) as Session);
  return found !== null && Date.parse(found.expires_at) > Date.now() ? found : null;
}

let current = $state.raw<Session | null>(stored());

export const session = {
  get current(): Session | null {
    return current;
  },
  set(found: Session | null): void {
    current = found;
    if (found === null) {
      sessionStorage.removeItem(STORED);
    } else {
      sessionStorage.setItem(STORED, JSON.stringify(found));
    }
  },
  has(...roles: Role[]): boolean {
    return current !== null && roles.some((role) => current?.roles.includes(role));
  },
};
