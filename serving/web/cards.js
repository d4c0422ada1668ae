// Items as cards, and what a user can do with them.

import { h, tell } from "./dom.js";
import { feedback, item, post } from "./api.js";
import { artwork } from "./art.js";
import { drawing } from "./path.js";
import { liked, user } from "./you.js";
import { language, t } from "./words.js";

const link = (id) => `#/item/${encodeURIComponent(id)}`;

/** Artwork and a line of facts, which come from the catalogue a moment later. */
function face(id, title) {
  const picture = h("div", { class: "picture" }, artwork(title));
  const facts = h("p", { class: "facts" }, "\u00a0");
  item(id).then((about) => {
    picture.replaceChildren(artwork(title, about.categories));
    facts.textContent = [...(about.attributes.year ?? []), about.categories.slice(0, 3).join(" · ")].filter(Boolean).join(" · ") || "\u00a0";
  }, () => {});
  return { picture, facts };
}

/** An event about an item of an answer, with all that is needed to learn from it later; what is not known is left out. */
export const told = (event, found, answer) => ({
  user_id: user(), item_id: found.item_id, event, request: answer?.request, rank: answer && found.rank, bundle: answer?.bundle, propensity: answer?.propensities?.[found.rank - 1],
});

/** Tell what was done with an item of an answer; `then` follows when it is kept for good. */
export async function act(event, found, answer, then) {
  try {
    await feedback([told(event, found, answer)]);
    if (event === "like") liked(found);
    await then();
  } catch (error) {
    tell(error.message);
  }
}

/** The buttons of a card. */
export function verbs(found, answer, then) {
  const button = (event, sign) =>
    h("button", { type: "button", class: event, "data-event": event, onclick: () => act(event, found, answer, () => then(event, found)) },
      h("span", { "aria-hidden": "true" }, sign), ` ${t(`card.${event}`)}`, h("span", { class: "unseen" }, `: ${found.title}`));
  return h("p", { class: "verbs" }, button("like", "♥"), button("dismiss", "✕"));
}

/** The reason, in the language that was chosen: the answer's own is English. */
export function reason(found) {
  const line = h("p", { class: "reason" }, found.reason);
  if (language !== "en" && user()) {
    post("/explain", { item_id: found.item_id, user_id: user(), language }).then(({ text }) => { line.textContent = text.text; line.lang = "zh-CN"; }, () => {});
  } else line.lang = "en";
  return line;
}

/** A recommended item: why, the path that says most, and what can be done. */
export function card(found, answer, { fresh = false, then, level = "h2" } = {}) {
  const { picture, facts } = face(found.item_id, found.title);
  const open = () => user() && feedback([told("click", found, answer)]).catch(() => {});
  return h(
    "article", { class: fresh ? "card fresh" : "card", "data-item": found.item_id },
    picture, fresh && h("span", { class: "badge" }, t("card.new")),
    h("div", { class: "body" }, h(level, {}, h("a", { href: link(found.item_id), onclick: open }, found.title)), facts, reason(found), drawing(found.title, found.paths.slice(0, 1), false)),
    user() && verbs(found, answer, then),
  );
}

/** An item that was found: no reason, no buttons. */
export function tile(found, level = "h3") {
  const { picture, facts } = face(found.item_id, found.title);
  return h("article", { class: "card tile", "data-item": found.item_id }, picture, h("div", { class: "body" }, h(level, {}, h("a", { href: link(found.item_id) }, found.title)), facts));
}

/** A few items that were liked, as small links. */
export function shelf(items) {
  return h("ul", { class: "shelf", "aria-label": t("home.shelf") }, items.map((each) => h("li", {}, h("a", { class: "pill", href: link(each.item_id) }, `♥ ${each.title}`))));
}
