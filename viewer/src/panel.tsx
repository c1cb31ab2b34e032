/** Beside the player: the text of the video, the hits, the verdict, and what is known of the file. */

import { channelName, clock } from "./format";
import { Hits } from "./hits";
import * as model from "./model";
import { Text } from "./text";
import type { Hour } from "./types";
import { VerdictView } from "./verdict";

export function Panel({ hour }: { hour: Hour }) {
  const found = model.search.value?.hits.length ?? 0;
  const tabs: [model.Tab, string][] = [
    ["text", "Text"],
    ["hits", model.search.value ? `Hits ${found}${model.search.value.more ? "+" : ""}` : "Hits"],
    ["verdict", "Verdict"],
    ["about", "About"],
  ];
  const keys = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const place = tabs.findIndex(([name]) => name === model.tab.value);
    const next = tabs[(place + step + tabs.length) % tabs.length]![0];
    model.tab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <section class="panel" aria-label="Text and results">
      <div class="tabs" role="tablist" aria-label="Text and results" onKeyDown={keys}>
        {tabs.map(([name, title]) => (
          <button
            type="button"
            key={name}
            id={`tab-${name}`}
            role="tab"
            aria-selected={model.tab.value === name}
            aria-controls="tabpanel"
            tabIndex={model.tab.value === name ? 0 : -1}
            onClick={() => (model.tab.value = name)}
          >
            {title}
          </button>
        ))}
      </div>
      <div class="tabpanel" id="tabpanel" role="tabpanel" aria-labelledby={`tab-${model.tab.value}`} tabIndex={0}>
        {model.tab.value === "text" && <Text key={hour.video_id} hour={hour} />}
        {model.tab.value === "hits" && <Hits everywhere={false} />}
        {model.tab.value === "verdict" && <VerdictView hour={hour} />}
        {model.tab.value === "about" && <About hour={hour} />}
      </div>
    </section>
  );
}

function About({ hour }: { hour: Hour }) {
  return (
    <div class="scroll about" tabIndex={-1}>
      <dl>
        <div>
          <dt>Length</dt>
          <dd>{clock(hour.duration_s)}</dd>
        </div>
        {hour.width && (
          <div>
            <dt>Picture</dt>
            <dd>
              {hour.width} × {hour.height}
              {hour.fps ? `, ${Math.round(hour.fps * 100) / 100} fps` : ""}
            </dd>
          </div>
        )}
        <div>
          <dt>Id</dt>
          <dd>
            <code>{hour.video_id}</code>
          </dd>
        </div>
        {hour.channels.map((one) => (
          <div key={one.name}>
            <dt>{channelName(one.name)}</dt>
            <dd>
              {one.state}
              {one.entries ? `, ${one.entries.toLocaleString("en")} entries` : ""}
              {one.language ? `, ${one.language}` : ""}
              {one.why ? `. ${one.why}` : ""}
            </dd>
          </div>
        ))}
      </dl>
      {hour.hint && <p>{hour.hint}</p>}
      {hour.closed && <p>It cannot be played: {hour.closed}.</p>}
      {hour.not_known.length > 0 && (
        <>
          <h3>Not known of this video</h3>
          <dl>
            {hour.not_known.map((one) => (
              <div key={one.channel + one.why}>
                <dt>{channelName(one.channel)}</dt>
                <dd>
                  {one.why}. {one.remedy}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </div>
  );
}
