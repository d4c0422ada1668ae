// A conversation: what is remembered stands above it as chips, and each can be taken back.

import { h, tell } from "./dom.js";
import { stream } from "./api.js";
import { card } from "./cards.js";
import { forget } from "./home.js";
import { user } from "./you.js";
import { language, t } from "./words.js";

const fresh = () => ({ who: user(), state: null, chips: [], turns: [] });
let talk = fresh();

/** The service keeps no conversation: the state goes back and forth, and a reload finds it here. */
const place = () => `zhijian.talk.${user()}`;
const keep = () => sessionStorage.setItem(place(), JSON.stringify({ ...talk, turns: talk.turns.map(({ who, text }) => ({ who, text })) }));
const restore = () => ({ ...fresh(), ...JSON.parse(sessionStorage.getItem(place()) ?? "{}") });

/** The view. */
export async function view() {
  if (talk.who !== user() || !talk.turns.length) talk = restore();
  const log = h("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": t("talk.log"), tabindex: 0 });
  const chips = h("ul", { class: "chips", "aria-label": t("talk.chips") });
  const input = h("input", { id: "say", maxlength: 2000, autocomplete: "off", placeholder: t("talk.hint") });
  const page = { log, chips, input, busy: false };
  const submit = (event) => {
    event.preventDefault();
    const utterance = input.value.trim();
    if (utterance && !page.busy) {
      input.value = "";
      say(page, utterance);
    }
  };
  const restart = () => {
    talk = fresh();
    keep();
    paint(page);
    input.focus();
  };
  paint(page);
  return h(
    "section", { class: "talk" },
    h("h1", { tabindex: -1 }, t("talk.title")), h("p", { class: "lead" }, t("talk.lead")),
    h("div", { class: "remembered" }, h("h2", { class: "small" }, t("talk.chips")), chips),
    log,
    h("form", { class: "line say", onsubmit: submit }, h("label", { class: "unseen", for: "say" }, t("talk.say")), input, h("button", { class: "main" }, t("talk.send"))),
    h("p", { class: "verbs" }, h("button", { type: "button", onclick: () => turn(page, { undo: 0 }) }, t("talk.undo")), h("button", { type: "button", onclick: restart }, t("talk.restart"))),
  );
}

function paint(page) {
  page.log.replaceChildren(...(talk.turns.length ? talk.turns.map((each) => bubble(each, page)) : [starters(page)]));
  remember(page);
  const latest = [...page.log.querySelectorAll(".turn.you")].at(-1); // what was just said stands on top, its answer below
  page.log.scrollTop = latest ? latest.offsetTop - page.log.offsetTop - 12 : 0;
}

function starters(page) {
  const start = (key) => h("button", { type: "button", class: "pill", onclick: () => say(page, t(key)) }, t(key));
  return h("div", { class: "starters" }, h("p", {}, t("talk.empty")), ["talk.try1", "talk.try2", "talk.try3"].map(start));
}

function remember(page) {
  const chip = ({ id, words }) => h("li", {}, h("button", { type: "button", class: "chip", "data-chip": id, "aria-label": t("talk.remove", { words }), onclick: () => turn(page, { remove: id }) }, words, h("span", { "aria-hidden": "true" }, " ✕")));
  page.chips.replaceChildren(...(talk.chips.length ? talk.chips.map(chip) : [h("li", { class: "facts" }, t("talk.nothing"))]));
}

function bubble({ who, text, items, answer, question }, page) {
  const then = (event, found) => { forget(); tell(t(`item.after.${event}`, { title: found.title })); };
  return h(
    "div", { class: `turn ${who}` },
    h("p", { class: "bubble" }, h("span", { class: "unseen" }, `${t(`talk.${who}`)}: `), text),
    items?.length && h("div", { class: "cards small" }, items.map((found) => card(found, answer ?? {}, { then, level: "h3" }))),
    question && h("div", { class: "question" }, h("p", {}, question.text), question.options.map((each) => h("button", { type: "button", class: "pill", onclick: () => say(page, each) }, each))),
  );
}

function say(page, utterance) {
  talk.turns.push({ who: "you", text: utterance });
  return turn(page, { utterance });
}

/** Take a turn; its parts are shown as they come. */
async function turn(page, act) {
  if (page.busy || (!talk.state && act.utterance === undefined)) return;
  page.busy = true;
  const reply = { who: "it", text: "…", items: [], question: null, answer: {} };
  talk.turns.push(reply);
  paint(page);
  try {
    await stream({ ...act, user_id: user() ?? undefined, ...(talk.state ? { state: talk.state } : { language }) }, (event, said) => {
      if (event === "text") reply.text = said.text;
      else if (event === "item") reply.items.push(said);
      else if (event === "question") reply.question = said;
      else {
        talk.state = said.state;
        talk.chips = said.chips;
        reply.answer.bundle = said.bundle;
      }
      paint(page);
    });
  } catch (error) {
    reply.text = error.message;
    paint(page);
  }
  page.busy = false;
  keep();
  if (!page.input.isConnected) return;
  page.input.focus();
}
