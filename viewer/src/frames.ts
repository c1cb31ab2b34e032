/** Small pictures for the timeline and the cards: asked in batches, nearest wish first, kept while there is room. */

import { signal } from "@preact/signals";
import { bytesOf } from "./host";
import { host } from "./model";

const MOST_HELD = 800; // pictures; each about 60 kB decoded
const BATCH = 12;
const AT_ONCE = 2;

export const arrived = signal(0); // grows with each picture, so that drawings follow

interface Wish {
  video: string;
  width: number;
  timeS: number;
  key: string;
}

const held = new Map<string, ImageBitmap | null>(); // null: asked for, or not there
const wishes: Wish[] = [];
const known = new Map<string, number[]>(); // by video and width: the times of pictures that came, in order
const tries = new Map<string, number>();
const MOST_TRIES = 2;
let running = 0;
let due = 0;

const keyOf = (video: string, width: number, timeS: number) => `${video} ${width} ${timeS.toFixed(2)}`;

/** The picture, if it is here already. Asking for one makes it come, soon; the newest wish comes first. */
export function frame(video: string, timeS: number, width: number): ImageBitmap | null {
  const key = keyOf(video, width, timeS);
  const have = held.get(key);
  if (have !== undefined) {
    if (have) {
      held.delete(key); // the order of the map is the order of use
      held.set(key, have);
    }
    return have;
  }
  held.set(key, null);
  wishes.push({ video, width, timeS, key });
  if (!due) due = window.setTimeout(work, 30);
  return null;
}

/** The picture only if it is here. */
export function heldFrame(video: string, timeS: number, width: number): ImageBitmap | null {
  return held.get(keyOf(video, width, timeS)) ?? null;
}

/** Of the pictures that are here, the one nearest in time; it stands in until the right one comes. */
export function nearestFrame(video: string, timeS: number, width: number): ImageBitmap | null {
  const times = known.get(`${video} ${width}`) ?? [];
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < timeS) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [times[low - 1], times[low]];
  const first = before === undefined || (after !== undefined && after - timeS < timeS - before) ? after : before;
  return first === undefined ? null : heldFrame(video, first, width);
}

/** Forget wishes that have not been asked for yet: the view has moved on. */
export function dropWishes(): void {
  for (const wish of wishes.splice(0)) held.delete(wish.key);
}

function work(): void {
  due = 0;
  while (running < AT_ONCE && wishes.length) void ask();
}

async function ask(): Promise<void> {
  const first = wishes.pop()!;
  const batch = [first];
  for (let i = wishes.length - 1; i >= 0 && batch.length < BATCH; i--) {
    const wish = wishes[i]!;
    if (wish.video === first.video && wish.width === first.width) batch.push(...wishes.splice(i, 1));
  }
  running++;
  try {
    const times = batch.map((wish) => wish.timeS);
    const found = await host.pictures(first.video, times, first.width, false);
    await Promise.all(
      found.map(async ({ timeS, jpeg }) => {
        held.set(keyOf(first.video, first.width, timeS), await createImageBitmap(new Blob([bytesOf(jpeg)])));
        const times = known.get(`${first.video} ${first.width}`) ?? [];
        known.set(`${first.video} ${first.width}`, times);
        times.push(timeS);
      }),
    );
    const came = new Set(found.map(({ timeS }) => keyOf(first.video, first.width, timeS)));
    for (const { key } of batch) {
      const tried = (tries.get(key) ?? 0) + 1;
      if (came.has(key) || tried >= MOST_TRIES) continue;
      tries.set(key, tried); // the reply was full: ask again
      held.delete(key);
    }
  } catch {
    // the strip stays empty there; what the person does next is answered with its own error
  } finally {
    running--;
    known.get(`${first.video} ${first.width}`)?.sort((a, b) => a - b);
    for (const key of held.keys()) {
      if (held.size <= MOST_HELD) break;
      held.get(key)?.close();
      held.delete(key);
    }
    arrived.value++;
    work();
  }
}
