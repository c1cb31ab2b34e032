/** The entries of a video that are in the document now: a passage around the playhead, which grows at both ends. */

import { signal } from "@preact/signals";
import * as model from "./model";
import type { Entries, Entry, Hour } from "./types";

const MOST_ROWS = 1200; // that stay in the document
const AROUND_S = 60; // before a jump, so that what was said just before is seen
const EARLIER_S = 300; // that come at once at the upper end

export class Passage {
  readonly entries = signal<Entry[] | null>(null);
  box: HTMLElement | null = null; // that scrolls
  private fromS = 0;
  private more = "";
  private loading = false;
  private turn = 0;

  constructor(public hour: Hour) {}

  /** Start again, shortly before a time. */
  async load(at = model.timeS.peek()): Promise<void> {
    const fromS = Math.max(0, at - AROUND_S);
    const turn = ++this.turn;
    this.loading = true;
    const page = await this.page(fromS, this.hour.duration_s);
    if (turn !== this.turn) return;
    this.loading = false;
    if (!page) return void (this.entries.value = this.entries.value ?? []);
    this.fromS = fromS;
    this.more = page.cursor ?? "";
    this.entries.value = page.entries;
    requestAnimationFrame(() => this.scroll(true));
  }

  async later(): Promise<void> {
    if (!this.more || this.loading) return;
    this.loading = true;
    const page = await this.page(this.fromS, this.hour.duration_s, this.more);
    this.loading = false;
    if (!page) return void (this.more = "");
    this.more = page.cursor ?? "";
    this.entries.value = [...(this.entries.value ?? []), ...page.entries].slice(-MOST_ROWS);
  }

  async earlier(): Promise<void> {
    const first = this.entries.value?.[0];
    if (this.loading || !first || this.fromS <= 0) return;
    this.loading = true;
    const fromS = Math.max(0, this.fromS - EARLIER_S);
    const page = await this.page(fromS, Math.max(first.start_s, 0.01));
    this.loading = false;
    if (!page) return;
    const known = new Set(this.entries.value!.map((entry) => entry.id));
    const height = this.box?.scrollHeight ?? 0;
    this.fromS = fromS;
    this.entries.value = [...page.entries.filter((entry) => !known.has(entry.id)), ...this.entries.value!];
    requestAnimationFrame(() => this.box && (this.box.scrollTop += this.box.scrollHeight - height));
  }

  /** Follow the playhead, which has jumped. */
  follow(): void {
    const at = model.timeS.peek();
    const shown = this.entries.peek();
    if (!shown) return;
    const first = shown[0]?.start_s ?? 0;
    const last = shown[shown.length - 1]?.end_s ?? this.hour.duration_s;
    if (at >= Math.min(first, this.fromS) && (at <= last || !this.more)) requestAnimationFrame(() => this.scroll(false));
    else void this.load(at);
  }

  /** Bring what is said now into sight. Args: always: also where it is in sight. */
  scroll(always: boolean): void {
    const box = this.box;
    const node = box?.querySelector<HTMLElement>("[data-now]") ?? null;
    if (!node || !box) return;
    const top = node.offsetTop - box.offsetTop;
    const inside = top >= box.scrollTop + 8 && top + node.offsetHeight <= box.scrollTop + box.clientHeight - 8;
    if (!inside || always) box.scrollTop = top - box.clientHeight / 3;
  }

  private page(startS: number, endS: number, more = ""): Promise<Entries | undefined> {
    const asked = { video: this.hour.video_id, start_s: startS, end_s: endS, ...(more ? { more } : {}) };
    return model.attempt(() => model.host.call<Entries>("view_entries", asked));
  }
}
