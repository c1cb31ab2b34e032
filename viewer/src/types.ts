/** The server's replies, as far as the page reads them. */

export interface Card {
  video_id: string;
  title: string;
  duration_s?: number;
  recorded_at?: string;
  part_of?: string;
  state: string;
  progress?: number;
  eta_s?: number;
  error?: string;
  channels: string[];
  notes: number;
  poster_s?: number;
}

export interface LibraryPage {
  videos: Card[];
  total: number;
  open: number;
  read_only: boolean;
  cursor: string;
}

export interface Channel {
  name: string;
  state: string;
  entries: number;
  done_to_s: number;
  language?: string;
  why?: string;
}

export interface Band {
  start_s: number;
  end_s: number;
  title: string;
}

export interface Gap {
  channel?: string;
  start_s: number;
  end_s: number;
  why: string;
}

export interface Hour {
  video_id: string;
  title: string;
  duration_s: number;
  width?: number;
  height?: number;
  fps?: number;
  has_audio: boolean;
  state: string;
  progress?: number;
  hint?: string;
  channels: Channel[];
  chapters: Band[];
  scenes: Band[];
  gaps: Gap[];
  not_known: { channel: string; why: string; remedy: string }[];
  notes: number;
  file: boolean;
  closed?: string;
  read_only: boolean;
  start_s?: number;
  end_s?: number;
}

/** start_s, end_s, how many entries. */
export type Run = [number, number, number];

export interface Lanes {
  start_s: number;
  end_s: number;
  lanes: Record<string, Run[]>;
}

export interface Entry {
  id: number;
  channel: string;
  start_s: number;
  end_s: number;
  text: string;
  speaker?: string;
}

export interface Entries {
  entries: Entry[];
  cursor: string;
}

export interface Hit {
  video_id: string;
  title: string;
  start_s: number;
  end_s: number;
  at: string;
  rank: number;
  score: number;
  strength: "strong" | "fair" | "weak";
  matched: string[];
  uri: string;
  [channel: string]: unknown;
}

export interface Search {
  summary?: string;
  hits: Hit[];
  more: number;
  cursor: string;
  coverage?: Coverage;
  hints?: string[];
}

export interface Coverage {
  share: number;
  channels?: Record<string, string>;
  gaps?: Gap[];
}

export interface FoundSpan {
  start_s: number;
  end_s: number;
  at: string;
  confidence: number;
  evidence: string;
  uri: string;
}

export interface Verdict {
  summary?: string;
  verdict?: "present" | "absent" | "uncertain";
  why?: string;
  probability?: number;
  spans?: FoundSpan[];
  best_rejected?: FoundSpan;
  confidence_kind?: string;
  judged?: string[];
  not_judged?: { channel: string; why: string }[];
  coverage?: Coverage;
  videos?: { video_id: string; title: string; verdict: string; best?: FoundSpan; coverage: number }[];
  hints?: string[];
}

export interface Span {
  startS: number;
  endS: number;
}
