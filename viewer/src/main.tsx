/** Starts the page: in a chat client where it stands in a frame, else in a browser. */

import { effect } from "@preact/signals";
import { render } from "preact";
import { config } from "zod/v4";
import { Page } from "./app";
import { theme } from "./host";
import { BrowserHost } from "./host-browser";
import { ChatHost } from "./host-chat";
import * as model from "./model";
import { lastPaintMs } from "./timeline";

config({ jitless: true }); // the page's policy forbids code out of text

effect(() => {
  const root = document.documentElement;
  if (theme.value) root.dataset["theme"] = theme.value;
  else delete root.dataset["theme"];
});

async function start(): Promise<void> {
  const root = document.getElementById("app")!;
  if (window.parent === window) {
    if (location.search) history.replaceState(null, "", location.pathname + location.hash); // the ticket is used up
    document.head.append(Object.assign(document.createElement("link"), { rel: "icon", href: "data:," })); // asks for none
    model.start(new BrowserHost());
    render(<Page />, root);
    await model.openAddress();
    return;
  }
  let opened = false;
  const host = await ChatHost.connect((result) => {
    opened = true;
    if (model.host) void model.openResult(result);
    else early = result;
  });
  model.start(host);
  render(<Page />, root);
  if (early) void model.openResult(early);
  else if (!opened) window.setTimeout(() => !model.hour.value && !model.cards.value && void model.loadLibrary(), 1500);
}

let early: Parameters<typeof model.openResult>[0] | null = null;

// For measurements: how long the last drawing of the timeline took.
Object.defineProperty(window, "lastPaintMs", { get: () => lastPaintMs.value });

void start().catch((error: unknown) => {
  document.getElementById("app")!.textContent = error instanceof Error ? error.message : String(error);
});
