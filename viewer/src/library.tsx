/** All videos: a picture each, length and state, live progress of what is being ingested, and hits over all of them. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { channelName, clock, spoken } from "./format";
import { arrived, frame } from "./frames";
import * as model from "./model";
import { Hits } from "./hits";
import type { Card } from "./types";

const POSTER_WIDTH = 320;

export function Library() {
  const cards = model.cards.value;
  const searching = model.search.value?.everywhere === true;
  return (
    <div class={`library${searching ? " searching" : ""}`}>
      {searching && (
        <section class="everywhere" aria-label="Hits in all videos">
          <h2>
            Hits in all videos
            <button type="button" class="small" onClick={() => (model.search.value = null)}>
              Close
            </button>
          </h2>
          <Hits everywhere />
        </section>
      )}
      <section aria-label="Videos">
        <h2>{cards ? `${model.total.value} ${model.total.value === 1 ? "video" : "videos"}` : "Videos"}</h2>
        {!cards && <p class="empty">Loading…</p>}
        {cards?.length === 0 && (
          <p class="empty">
            No video is in memory yet. Add one with <code>agent-tools ingest FILE</code>, or ask your assistant to ingest it.
          </p>
        )}
        <ul class="cards">{cards?.map((card) => <CardView key={card.video_id} card={card} />)}</ul>
        {model.cardsCursor.value && (
          <button type="button" class="more" onClick={() => void model.loadLibrary(true)}>
            More videos
          </button>
        )}
      </section>
    </div>
  );
}

function CardView({ card }: { card: Card }) {
  const open = card.state === "running" || card.state === "queued";
  const share = Math.round((card.progress ?? 0) * 100);
  return (
    <li>
      <button type="button" class="card" onClick={() => void model.openVideo(card.video_id)}>
        <span class="poster">
          <Poster card={card} />
          {card.poster_s === undefined && card.duration_s !== undefined && <span class="sound">Sound only</span>}
          {card.duration_s !== undefined && (
            <span class="length" aria-label={spoken(card.duration_s)}>
              {clock(card.duration_s)}
            </span>
          )}
        </span>
        <span class="title" dir="auto">
          {card.title}
        </span>
        <span class="meta">
          {open ? (
            <>
              <span class="progress" role="progressbar" aria-label="Ingest" aria-valuenow={share} aria-valuemin={0} aria-valuemax={100}>
                <i style={{ inlineSize: `${share}%` }} />
              </span>
              {card.state === "queued" ? "waiting" : `${share} %`}
              {card.eta_s ? `, ${clock(card.eta_s)} left` : ""}
            </>
          ) : (
            <>
              {card.state !== "done" && <span class="bad">{card.state}</span>}
              {card.channels.filter((name) => name !== "frames").map((name) => (
                <span key={name}>
                  <i class={`dot ch-${name}`} />
                  {channelName(name)}
                </span>
              ))}
              {card.notes > 0 && (
                <span>
                  <i class="dot ch-notes" />
                  {card.notes} {card.notes === 1 ? "note" : "notes"}
                </span>
              )}
            </>
          )}
        </span>
      </button>
    </li>
  );
}

/** The picture of a card, asked for when the card comes into sight. */
function Poster({ card }: { card: Card }) {
  const node = useRef<HTMLCanvasElement>(null);
  const seen = useRef(false);
  void arrived.value;
  const draw = () => {
    const c = node.current?.getContext("2d");
    const picture = seen.current && card.poster_s !== undefined ? frame(card.video_id, card.poster_s, POSTER_WIDTH) : null;
    if (!c || !picture) return;
    c.canvas.width = picture.width;
    c.canvas.height = picture.height;
    c.drawImage(picture, 0, 0);
  };
  useLayoutEffect(() => {
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      seen.current = true;
      draw();
      watch.disconnect();
    });
    watch.observe(node.current!);
    return () => watch.disconnect();
  }, [card.video_id]);
  useLayoutEffect(draw);
  return <canvas ref={node} width={16} height={9} aria-hidden="true" />;
}
