/** The hits of a search, best first, with what matched and what was searched. */

import { channelName, clock, marked } from "./format";
import * as model from "./model";
import type { Coverage, Hit } from "./types";

/** The hits of the last search. Args: everywhere: with the titles of their videos. */
export function Hits({ everywhere }: { everywhere: boolean }) {
  const found = model.search.value;
  if (!found)
    return (
      <p class="empty">
        Search for what is said or shown. <kbd>/</kbd> goes to the search box.
      </p>
    );
  const here = model.hour.value?.video_id;
  return (
    <div class="scroll" tabIndex={-1}>
      <p class="sentence" role="status">
        {found.summary || `${found.hits.length} hits.`}
      </p>
      <ol class="hits">
        {found.hits.map((hit) => (
          <HitRow key={hit.uri + hit.rank} hit={hit} query={found.query} titled={everywhere || found.everywhere || hit.video_id !== here} />
        ))}
      </ol>
      {found.cursor && (
        <button type="button" class="more" onClick={() => void model.find(found.query, true)}>
          More hits
        </button>
      )}
      {found.coverage && <CoverageView coverage={found.coverage} />}
    </div>
  );
}

const TEXTS = ["subtitles", "speech", "screen_text", "captions", "notes"];

/** The channels that say something there, those that matched first. */
function textsOf(hit: Hit): string[] {
  const matched = (name: string) => hit.matched.some((how) => how.startsWith(`${name}:`));
  const there = TEXTS.filter((name) => typeof hit[name] === "string");
  return [...there.filter(matched), ...there.filter((name) => !matched(name))];
}

function HitRow({ hit, query, titled }: { hit: Hit; query: string; titled: boolean }) {
  const chosen = model.hour.value?.video_id === hit.video_id && model.span.value?.startS === hit.start_s;
  const open = () =>
    model.hour.value?.video_id === hit.video_id
      ? model.choose(hit.start_s, hit.end_s)
      : void model.openVideo(hit.video_id, hit.start_s, hit.end_s).then(() => (model.tab.value = "hits"));
  return (
    <li>
      <button type="button" class={chosen ? "chosen" : ""} aria-current={chosen || undefined} onClick={open}>
        <span class="head">
          <span class={`rank ${hit.strength}`} aria-label={`Hit ${hit.rank}`}>
            {hit.rank}
          </span>
          <time>{clock(hit.start_s)}</time>
          {titled && (
            <span class="of" dir="auto">
              {hit.title}
            </span>
          )}
          <span class="grow" />
          <span class={`strength ${hit.strength}`}>{hit.strength}</span>
          <span class="score">{hit.score.toFixed(2)}</span>
        </span>
        {textsOf(hit).map((name) => (
          <span class="said" key={name}>
            <i class={`dot ch-${name}`} title={channelName(name)} />
            <span dir="auto">
              <Marked text={hit[name] as string} query={query} />
            </span>
          </span>
        ))}
        <span class="why">{hit.matched.map(matchOf).join(" · ")}</span>
      </button>
    </li>
  );
}

function matchOf(text: string): string {
  const [channel, how] = text.split(":");
  const by = how === "words" ? "by its words" : how === "meaning" ? "by its meaning" : `by ${how ?? ""}`;
  return `${channelName(channel ?? "")} ${by}`;
}

function Marked({ text, query }: { text: string; query: string }) {
  return <>{marked(text, query).map((part, place) => (part.hit ? <mark key={place}>{part.text}</mark> : part.text))}</>;
}

function CoverageView({ coverage }: { coverage: Coverage }) {
  const channels = Object.entries(coverage.channels ?? {});
  return (
    <details class="coverage">
      <summary>{Math.round(coverage.share * 100)} % of the span was searched</summary>
      <dl>
        {channels.map(([name, phrase]) => (
          <div key={name}>
            <dt>{channelName(name)}</dt>
            <dd>{phrase}</dd>
          </div>
        ))}
        {(coverage.gaps ?? []).map((gap, place) => (
          <div key={place}>
            <dt>
              {clock(gap.start_s)}–{clock(gap.end_s)}
            </dt>
            <dd>{gap.why}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
