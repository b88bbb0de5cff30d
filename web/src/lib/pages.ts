// Every page: its path, its title, who may use it, and where its code is loaded from.

import type { Component } from "svelte";
import { texts } from "./i18n.svelte.ts";
import type { Role } from "./session.svelte.ts";

export interface Page {
  path: string; // the first segment of the address
  title: () => string;
  // Who sees it in the navigation and may open it; null: everybody, signed in or not.
  roles: readonly Role[] | null;
  // Pages that are reached from others only.
  isHidden?: boolean;
  // Gets the segments behind its own as the property `segments`, if it has one.
  load: () => Promise<{ default: Component<any> }>;
}

const t = texts(
  {
    overview: "Overview",
    trade: "Trade",
    offset: "Offset",
    compliance: "Compliance",
    quotes: "Market maker",
    operator: "Operator",
    registry: "Registry",
    events: "Events",
    verify: "Check a certificate",
    signIn: "Sign in",
  },
  {
    overview: "概览",
    trade: "交易",
    offset: "抵消",
    compliance: "履约",
    quotes: "做市",
    operator: "运营",
    registry: "登记簿",
    events: "活动",
    verify: "查验证书",
    signIn: "登录",
  },
);

// In the order of the navigation. The first one that the reader may open is his start page.
export const PAGES: readonly Page[] = [
  {
    path: "overview",
    title: () => t("overview"),
    roles: null,
    load: () => import("../pages/public/Overview.svelte"),
  },
  {
    path: "trade",
    title: () => t("trade"),
    roles: null,
    load: () => import("../pages/trade/Trade.svelte"),
  },
  {
    path: "offset",
    title: () => t("offset"),
    roles: ["trader", "event_organiser", "compliance"],
    load: () => import("../pages/offset/Offset.svelte"),
  },
  {
    path: "compliance",
    title: () => t("compliance"),
    roles: ["compliance"],
    load: () => import("../pages/compliance/Compliance.svelte"),
  },
  {
    path: "quotes",
    title: () => t("quotes"),
    roles: ["market_maker"],
    load: () => import("../pages/quotes/Quotes.svelte"),
  },
  {
    path: "operator",
    title: () => t("operator"),
    roles: ["operator", "settlement", "auditor"],
    load: () => import("../pages/operator/Operator.svelte"),
  },
  {
    path: "registry",
    title: () => t("registry"),
    roles: null,
    load: () => import("../pages/public/Registry.svelte"),
  },
  {
    path: "events",
    title: () => t("events"),
    roles: null,
    load: () => import("../pages/public/Events.svelte"),
  },
  {
    path: "verify",
    title: () => t("verify"),
    roles: null,
    isHidden: true,
    load: () => import("../pages/public/Verify.svelte"),
  },
  {
    path: "sign-in",
    title: () => t("signIn"),
    roles: null,
    isHidden: true,
    load: () => import("../pages/account/SignIn.svelte"),
  },
];
