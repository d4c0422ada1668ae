// The public interface, as any client calls it. Where the service has keys, one is asked for once and kept until the tab closes.

import { h } from "./dom.js";
import { t } from "./words.js";

const TRIES = 3;
const shown = new Map(); // what the catalogue says of an item does not change within a bundle

export class Problem extends Error {
  constructor(status, text, field) {
    super(text);
    this.status = status;
    this.field = field;
  }
}

function headers() {
  const key = sessionStorage.getItem("zhijian.key");
  return { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
}

async function problem(response) {
  const said = await response.json().catch(() => ({}));
  return new Problem(response.status, said.error ?? t("error.status", { status: response.status }), said.field);
}

async function ask(path, body, tries = TRIES) {
  const options = body === undefined ? { headers: headers() } : { method: "POST", headers: headers(), body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, t("error.gone"));
  }
  if ([429, 503].includes(response.status) && tries > 1) {
    await new Promise((go) => setTimeout(go, 1000 * (Number(response.headers.get("retry-after")) || 1)));
    return ask(path, body, tries - 1);
  }
  if (response.status === 401 && (await key())) return ask(path, body, tries);
  if (!response.ok) throw await problem(response);
  return response;
}

/** Ask for a key; false when none is given. Those who ask at the same time wait for the same answer. */
function key() {
  key.asked ??= new Promise((done) => {
    const input = h("input", { id: "key", type: "password", required: true, autocomplete: "off", pattern: "zj_.+" });
    const form = h("form", { method: "dialog" }, h("label", { for: "key" }, t("key.label")), input, h("p", {}, t("key.hint")), h("button", { class: "main" }, t("key.go")));
    const dialog = h("dialog", { "aria-label": t("key.label") }, form);
    dialog.addEventListener("close", () => {
      if (input.value) sessionStorage.setItem("zhijian.key", input.value);
      dialog.remove();
      key.asked = undefined;
      done(Boolean(input.value));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return key.asked;
}

/** Post a message; gives the answer, and the id of the request where feedback is to name it. */
export async function post(path, body) {
  const response = await ask(path, body);
  return { ...(await response.json()), request: response.headers.get("x-request-id") };
}

/** Get a paper. */
export async function get(path) {
  return (await ask(path)).json();
}

/** What the catalogue says of an item. */
export function item(id) {
  if (!shown.has(id)) {
    const asked = post("/items/show", { item_id: id });
    asked.catch(() => shown.delete(id));
    shown.set(id, asked);
  }
  return shown.get(id);
}

/** Take a turn of a conversation; `heard` is called with each event of the answer as it comes. */
export async function stream(body, heard) {
  const reader = (await ask("/chat/stream", body)).body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) event(block, heard);
  }
}

function event(block, heard) {
  const lines = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
  if (!lines.event) return;
  const said = JSON.parse(lines.data);
  if (lines.event === "problem") throw new Problem(400, said.error, said.field);
  heard(lines.event, said);
}

// not crypto.randomUUID: a page that came without TLS has none
const once = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Tell what a user did; it is on disk when this returns. */
export function feedback(events) {
  const stamped = events.map((each) => ({ key: once(), ...each }));
  return post("/feedback", { events: stamped });
}
