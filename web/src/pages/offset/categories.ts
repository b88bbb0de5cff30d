// Kinds of events in words; what newer rules add is shown by its name.

import { texts } from "../../lib/i18n.svelte.ts";

const word = texts(
  {
    ceremony: "Ceremony",
    competition: "Competition",
    conference: "Conference",
    exhibition: "Exhibition",
    festival: "Festival",
    forum: "Forum",
    meeting: "Meeting",
    other: "Other",
    performance: "Performance",
    sports: "Sports event",
  },
  {
    ceremony: "典礼",
    competition: "竞赛",
    conference: "会议",
    exhibition: "展览",
    festival: "节庆",
    forum: "论坛",
    meeting: "会晤",
    other: "其他",
    performance: "演出",
    sports: "体育赛事",
  },
);

export function category(name: string): string {
  return word(name as Parameters<typeof word>[0]) ?? name.replaceAll("_", " ");
}
