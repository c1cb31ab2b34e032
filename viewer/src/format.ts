/** Times and words as a person reads them. */

/** 3723.9 -> "1:02:03"; under an hour "2:03". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor(whole / 60) % 60;
  const s = String(whole % 60).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** As clock, with tenths: for a view of a few seconds. */
export function fineClock(seconds: number): string {
  return `${clock(seconds)}.${Math.floor((Math.max(0, seconds) % 1) * 10 + 1e-6)}`;
}

/** A length in words for a screen reader: "1 hour 2 minutes 3 seconds". */
export function spoken(seconds: number): string {
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}${n === 1 ? "" : "s"}`);
  return said.join(" ") || "0 seconds";
}

/** A number of seconds as uris hold it: two decimals at most. */
export function plain(seconds: number): string {
  return String(Math.round(seconds * 100) / 100);
}

export function videoUri(id: string, startS?: number, endS?: number): string {
  return startS === undefined || endS === undefined ? `video://${id}` : `video://${id}#t=${plain(startS)},${plain(endS)}`;
}

export const CHANNEL_NAMES: Record<string, string> = {
  speech: "Speech",
  subtitles: "Subtitles",
  screen_text: "On screen",
  captions: "Captions",
  notes: "Notes",
  frames: "Pictures",
};

export function channelName(name: string): string {
  return CHANNEL_NAMES[name] ?? name.replaceAll("_", " ");
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), Math.max(least, most));
}

const WORD = /[\p{L}\p{N}]+/gu;
const COMMON = new Set("a an and are as at be by do does for from how i in is it of on or that the this to was we what when where which who why with you".split(" "));
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** The text in parts, those that match a word of the query marked. */
export function marked(text: string, query: string): { text: string; hit: boolean }[] {
  const words = (query.toLowerCase().match(WORD) ?? []).filter((word) => word.length > 1 && !COMMON.has(word));
  const parts: { text: string; hit: boolean }[] = [];
  const push = (piece: string, hit: boolean) => {
    const last = parts[parts.length - 1];
    if (!piece) return;
    if (last && last.hit === hit) last.text += piece;
    else parts.push({ text: piece, hit });
  };
  let at = 0;
  for (const match of text.matchAll(WORD)) {
    push(text.slice(at, match.index), false);
    const word = match[0].toLowerCase();
    push(match[0], words.some((wanted) => alike(word, wanted)));
    at = match.index + match[0].length;
  }
  push(text.slice(at), false);
  return parts;
}

/** Whether two words are the same, or forms of one: they share a beginning that is most of each. */
function alike(one: string, other: string): boolean {
  if (one === other) return true;
  if (CJK.test(one) && CJK.test(other)) return one.includes(other);
  const shortest = Math.min(one.length, other.length);
  if (shortest < 4 || Math.abs(one.length - other.length) > 3) return false;
  const stem = Math.max(4, shortest - 1);
  return one.slice(0, stem) === other.slice(0, stem);
}
