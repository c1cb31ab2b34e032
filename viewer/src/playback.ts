/** Playing: the file itself where the page can reach it, else pieces of it in a row; and the picture of a playhead that
 * rests. The times of a player and of the video differ: a file may begin with sound, a piece begins anywhere. */

import { signal } from "@preact/signals";
import { plain, videoUri } from "./format";
import { bytesOf, type Clip } from "./host";
import * as model from "./model";
import type { Hour } from "./types";

const PIECE_S = 12; // short, so that it starts soon
const FIRST_WIDTH = 352; // px: kept frames are not larger
const EXACT_WIDTH = 960;
const SETTLE_MS = 140; // a playhead that rests so long gets its exact picture
const LATE_S = 0.35;
const BRIDGE_MS = 80; // a file that seeks longer is bridged by the kept frame
const MEASURE_MS = 20_000; // a browser that has not said by then when the first picture comes does not say it
const LEAST_LEAD_S = 0.02;

type Source = "file" | "clips" | "none";

export class Playback {
  readonly source = signal<Source>("none");
  readonly picture = signal(false); // the image is there
  readonly waiting = signal(false); // for a piece
  readonly moving = signal(false); // the video element shows the picture, not the image
  video: HTMLVideoElement | null = null;
  canvas: HTMLCanvasElement | null = null;
  private leadS: number | null = null; // of the file: its clock at the first picture; null until it is known
  private piece: Clip | null = null; // that plays
  private exact = false; // pieces must be encoded from the very time: copies did not play
  private next: { atS: number; piece: Promise<Clip> } | null = null;
  private untilS = Infinity; // a span that is played ends here
  private turn = 0;

  constructor(public hour: Hour) {
    if (hour.file) this.source.value = model.host.mediaUrl(hour.video_id) ? "file" : "clips";
  }

  get address(): string | undefined {
    return this.source.value === "file" ? (model.host.mediaUrl(this.hour.video_id) ?? undefined) : undefined;
  }

  // -- the picture of a time

  /** Follow the playhead, which has jumped. Returns what stops it when the playhead jumps again. */
  follow(): (() => void) | undefined {
    const at = model.timeS.peek();
    const turn = ++this.turn;
    const node = this.video;
    if (this.source.value === "file" && node && node.readyState >= 1 && this.leadS !== null) {
      node.currentTime = at + this.leadS;
      const late = window.setTimeout(() => void this.still(at, turn, FIRST_WIDTH, false, true), BRIDGE_MS);
      return () => window.clearTimeout(late);
    }
    if (model.playing.peek() && this.source.value === "clips") {
      void this.play(at);
      return undefined;
    }
    void this.still(at, turn, FIRST_WIDTH, false);
    const rest = window.setTimeout(() => void this.still(at, turn, EXACT_WIDTH, true), SETTLE_MS);
    return () => window.clearTimeout(rest);
  }

  /** Show the picture of a time as an image. Args: bridge: only while the file still seeks. */
  private async still(at: number, turn: number, width: number, exact: boolean, bridge = false): Promise<void> {
    if (!this.hour.width) return;
    try {
      const [found] = await model.host.pictures(this.hour.video_id, [at], width, exact);
      if (!found) return;
      const image = await createImageBitmap(new Blob([bytesOf(found.jpeg)])); // a chat's policy may forbid images by address
      if (turn !== this.turn || !this.canvas || (bridge && !this.video?.seeking)) return;
      if (this.source.peek() === "file" && this.fileShows(at)) return;
      this.canvas.width = image.width;
      this.canvas.height = image.height;
      this.canvas.getContext("2d")!.drawImage(image, 0, 0);
      this.picture.value = true;
      this.moving.value = false;
      shown();
    } catch (error) {
      if (exact) model.say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** Whether the video element shows the picture of a time already. */
  private fileShows(at: number): boolean {
    const node = this.video;
    if (!node || node.readyState < 2 || node.seeking || this.leadS === null) return false;
    return model.playing.peek() || Math.abs(node.currentTime - this.leadS - at) < LATE_S;
  }

  // -- playing

  /** Play or pause, as the page wishes. */
  obey(on: boolean): void {
    const node = this.video;
    if (!node) return;
    if (!on) node.pause();
    else if (this.source.value === "file") void node.play().catch(() => (model.playing.value = false));
    else if (this.source.value === "clips") void this.play(model.timeS.peek());
    else {
      model.playing.value = false;
      model.say(this.hour.closed ? `It cannot be played: ${this.hour.closed}.` : "It cannot be played here.", true);
    }
  }

  playSpan(): void {
    const wanted = model.target.peek();
    this.untilS = wanted.endS;
    if (Math.abs(model.timeS.peek() - wanted.startS) > 0.05) model.seek(wanted.startS);
    model.playing.value = true;
  }

  toggle(): void {
    this.untilS = Infinity;
    if (!model.playing.value && model.timeS.value >= this.hour.duration_s - 0.1) model.seek(0);
    model.playing.value = !model.playing.value;
  }

  /** Load and play the piece that holds a time; the next one is asked for meanwhile. */
  private async play(at: number): Promise<void> {
    const node = this.video;
    if (!node) return;
    const turn = ++this.turn;
    this.waiting.value = true;
    const asked = this.next?.atS === at ? this.next.piece : this.pieceAt(at);
    const piece = await model.attempt(() => asked);
    if (turn !== this.turn) return;
    this.waiting.value = false;
    if (!piece || !model.playing.peek()) {
      model.playing.value = false;
      return;
    }
    this.piece = piece;
    node.src = piece.url;
    if (at > piece.startS + LEAST_LEAD_S) node.currentTime = at - piece.startS;
    await node.play().catch(() => undefined);
    this.moving.value = true;
    if (piece.endS < this.hour.duration_s - 0.1 && piece.endS < this.untilS) {
      const next = this.pieceAt(piece.endS);
      next.catch(() => undefined); // its error is shown when it is played
      this.next = { atS: piece.endS, piece: next };
    }
  }

  /** A piece that holds a time and some seconds after it. A copy may begin earlier, at a key frame. */
  private async pieceAt(startS: number): Promise<Clip> {
    const endS = Math.min(startS + PIECE_S, this.hour.duration_s, Math.max(this.untilS, startS + 0.5));
    const uri = `${videoUri(this.hour.video_id)}/clip/${plain(startS)}-${plain(endS)}`;
    const copy = this.exact ? null : await model.host.clip(`${uri}?exact=no`);
    if (copy?.startS !== undefined && copy.endS !== undefined) return copy as Clip;
    this.exact = true; // else nobody says what the copy holds
    return { ...(await model.host.clip(uri)), startS, endS };
  }

  // -- what the video element says

  /** Move the playhead with the player. Called for each frame of the screen. */
  tick(): void {
    const node = this.video;
    if (!node || node.seeking || node.readyState < 2 || !model.playing.peek()) return;
    const clips = this.source.peek() === "clips";
    if (clips ? this.waiting.peek() || !this.moving.peek() : this.leadS === null) return; // this time is not there yet
    const at = node.currentTime + (clips ? this.piece!.startS : -this.leadS!);
    model.timeS.value = Math.min(Math.max(at, 0), this.hour.duration_s);
    if (at >= this.untilS) return this.stop();
    if (clips && at >= this.piece!.endS) return this.ended();
    const { startS, endS } = model.view.peek();
    if (at > endS - (endS - startS) * 0.05 && endS < this.hour.duration_s) model.pan((endS - startS) * 0.8);
  }

  loaded(): void {
    const node = this.video!;
    if (this.hour.width && !node.videoWidth) return this.failed(); // the browser plays its sound, but not its pictures
    if (this.source.peek() === "file" && this.leadS === null) this.measure(node);
  }

  /** Find out when the first picture comes by the file's own clock, then go to the playhead. */
  private measure(node: HTMLVideoElement): void {
    const known = (leadS: number) => {
      if (this.leadS !== null || this.source.peek() !== "file") return;
      this.leadS = leadS > LEAST_LEAD_S ? leadS : 0;
      if (this.leadS + this.hour.duration_s > node.duration + 1) return this.failed(); // its end cannot be reached
      if (Math.abs(node.currentTime - this.leadS - model.timeS.peek()) > 0.01) node.currentTime = model.timeS.peek() + this.leadS;
      else this.sought();
    };
    if (!this.hour.width) return known(0);
    if (!("requestVideoFrameCallback" in node)) return this.failed(); // pieces, whose times are known: no guess
    node.requestVideoFrameCallback((_, frame) => known(frame.mediaTime));
    node.currentTime = 0; // the first picture may have been drawn before it was asked for: it is drawn once more
    const unknown = (): void => {
      if (this.leadS !== null || this.source.peek() !== "file") return;
      if (document.hidden) window.setTimeout(unknown, MEASURE_MS); // no picture is drawn meanwhile
      else this.failed();
    };
    window.setTimeout(unknown, MEASURE_MS);
  }

  sought(): void {
    if (this.source.peek() !== "file" || this.leadS === null) return;
    if (Math.abs(this.video!.currentTime - this.leadS - model.timeS.peek()) > LATE_S && !model.playing.peek()) return;
    this.moving.value = true;
    shown();
  }

  /** The browser cannot play this: pieces instead of the file, encoded pieces instead of copies. */
  failed(): void {
    if (!this.video?.getAttribute("src")) return; // that of no file at all
    if (this.source.peek() === "clips" && this.exact) return model.say("This clip cannot be played here.", true);
    if (this.source.peek() === "clips") this.exact = true;
    this.source.value = "clips";
    this.moving.value = false;
    this.next = null;
    this.video.removeAttribute("src");
    this.video.load();
    const turn = ++this.turn;
    void this.still(model.timeS.peek(), turn, EXACT_WIDTH, true);
    if (model.playing.peek()) void this.play(model.timeS.peek());
  }

  ended(): void {
    const endS = this.piece?.endS ?? Infinity;
    if (this.source.peek() === "clips" && endS < Math.min(this.hour.duration_s - 0.1, this.untilS - 0.05) && model.playing.peek()) {
      model.timeS.value = endS;
      void this.play(endS);
    } else this.stop();
  }

  private stop(): void {
    this.untilS = Infinity;
    model.playing.value = false;
  }
}

/** The first picture after a click is on screen: the bench measures from "seek" to here. */
function shown(): void {
  requestAnimationFrame(() => {
    if (!performance.getEntriesByName("seek").length) return;
    performance.measure("first picture", "seek");
    performance.clearMarks("seek");
  });
}
