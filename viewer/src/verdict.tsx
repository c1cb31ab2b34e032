/** The verdict on an event: whether it happens, where, how sure that is, and what was not judged. */

import { channelName, clock } from "./format";
import * as model from "./model";
import type { Hour } from "./types";

const WORDS: Record<string, string> = { present: "It happens", absent: "It does not happen", uncertain: "Uncertain" };

export function VerdictView({ hour }: { hour: Hour }) {
  const found = model.verdict.value;
  if (!found || found.videoId !== hour.video_id)
    return <p class="empty">Write what should happen, then choose “Check”: does it happen in this video, and when?</p>;
  const word = found.verdict ?? "uncertain";
  return (
    <div class="scroll verdict" tabIndex={-1}>
      <p class="event" dir="auto">
        {found.event}
      </p>
      <p class={`word ${word}`} role="status">
        {WORDS[word]}
        {found.probability !== undefined && <span>p = {found.probability.toFixed(2)}</span>}
      </p>
      {found.why && <p>{found.why}</p>}
      {(found.spans ?? []).map((one) => (
        <button type="button" class="span" key={one.uri} onClick={() => model.choose(one.start_s, one.end_s)}>
          <span class="head">
            <time>
              {clock(one.start_s)}–{clock(one.end_s)}
            </time>
            <span class="grow" />
            <span class="score">{Math.round(one.confidence * 100)} %</span>
          </span>
          <span class="bar" aria-hidden="true">
            <i style={{ inlineSize: `${Math.round(one.confidence * 100)}%` }} />
          </span>
          <span class="said" dir="auto">
            {one.evidence}
          </span>
        </button>
      ))}
      {found.best_rejected && (
        <button type="button" class="span" onClick={() => model.choose(found.best_rejected!.start_s, found.best_rejected!.end_s)}>
          <span class="head">
            Nearest, not accepted: <time>{clock(found.best_rejected.start_s)}</time>
          </span>
          <span class="said" dir="auto">
            {found.best_rejected.evidence}
          </span>
        </button>
      )}
      {found.coverage && <p class="muted">{Math.round(found.coverage.share * 100)} % of the span was searched.</p>}
      {(found.not_judged ?? []).length > 0 && (
        <>
          <h3>Not judged</h3>
          <dl>
            {found.not_judged!.map((one) => (
              <div key={one.channel}>
                <dt>{channelName(one.channel)}</dt>
                <dd>{one.why}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </div>
  );
}
