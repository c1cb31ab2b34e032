/** Lines, boxes, cut texts and hatched spans on a canvas. */

import type { Span } from "./types";

/** From seconds to pixels. */
export function scale(view: Span, width: number): (s: number) => number {
  const share = width / (view.endS - view.startS);
  return (s) => (s - view.startS) * share;
}

export function line(c: CanvasRenderingContext2D, x: number, from: number, to: number): void {
  c.beginPath();
  c.moveTo(x, from);
  c.lineTo(x, to);
  c.stroke();
}

export function round(c: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, r: number): void {
  c.beginPath();
  c.roundRect(x, y, Math.max(0, w), h, Math.min(r, Math.max(0, w) / 2));
}

/** Text cut to a width; right-to-left text is set from the right of its place. */
export function label(c: CanvasRenderingContext2D, text: string, x: number, y: number, width: number, colour: string): void {
  if (width < 16 || !text) return;
  const shown = text.length > 300 ? text.slice(0, 300) : text;
  c.fillStyle = colour;
  const rtl = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(shown);
  c.direction = rtl ? "rtl" : "ltr";
  c.textAlign = "start";
  c.fillText(fitted(c, shown, width), rtl ? x + width : x, y);
  c.direction = "ltr";
  c.textAlign = "left";
}

function fitted(c: CanvasRenderingContext2D, text: string, width: number): string {
  if (c.measureText(text).width <= width) return text;
  let low = 0;
  let high = Math.min(text.length, Math.ceil(width / 3));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (c.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? `${text.slice(0, low).trimEnd()}…` : "";
}

/** Draw a picture so that it fills a box, cut at its sides. */
export function cover(c: CanvasRenderingContext2D, picture: ImageBitmap, x: number, y: number, w: number, h: number): void {
  const share = Math.max(w / picture.width, h / picture.height);
  const sw = w / share;
  const sh = h / share;
  c.drawImage(picture, (picture.width - sw) / 2, (picture.height - sh) / 2, sw, sh, x, y, w, h);
}
