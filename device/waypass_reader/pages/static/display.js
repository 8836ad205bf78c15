// The screen of a lane: follows the lane's events and shows the face that belongs to each.
//
// Not EventSource: it hides the comments that are sent in silence, and with them whether the other end is there.
"use strict";

const QUIET_MS = 6000;
const AGAIN_MS = 1000;
const WAITING = ["yellow", "red", "grey"];

const screen = document.getElementById("screen");

function show(face) {
  if (document.body.dataset.face === face) return;
  screen.replaceChildren(document.getElementById(`face-${face}`).content.cloneNode(true));
  document.body.dataset.face = face;
}

/** What is not understood is never green. */
function faceOf(event) {
  if (event.state === "open" && event.aspect === "green") return "green";
  if (event.state === "wait" && WAITING.includes(event.aspect)) return event.aspect;
  if (event.state === "idle" || event.state === "out-of-order") return event.state;
  return "lost";
}

function readEvent(lines) {
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
  if (data.length === 0) return;
  try {
    show(faceOf(JSON.parse(data.join("\n"))));
  } catch {
    show("lost");
  }
}

/** Follow until the stream ends, or nothing has come for a while. */
async function follow() {
  const ending = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      show("lost");
      ending.abort();
    }, QUIET_MS);
  };
  heard();
  try {
    const response = await fetch(document.body.dataset.events, { signal: ending.signal, cache: "no-store" });
    if (!response.ok) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) readEvent(event.split("\n"));
    }
  } catch {
    // Nobody is there, or they left: what `finally` shows.
  } finally {
    clearTimeout(timer);
    show("lost");
  }
}

async function run() {
  for (;;) {
    await follow();
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

run();
