// What is recommended now: the list changes with all that the user says of it.

import { h, tell } from "./dom.js";
import { feedback, post } from "./api.js";
import { card, shelf, told } from "./cards.js";
import { likes, user } from "./you.js";
import { t } from "./words.js";

const COUNT = 12;
let kept = null; // the last answer, so that whoever comes back finds the list as it was

/** Forget the list: another user came. */
export const forget = () => { kept = null; };

async function fetched() {
  const answer = await post("/recommend", { user_id: user(), k: COUNT });
  const shown = answer.items.map((found) => told("impression", found, answer));
  if (shown.length) feedback(shown).catch(() => {});
  return answer;
}

/** The view. */
export async function view() {
  if (kept?.who !== user()) kept = { who: user(), answer: await fetched(), fresh: new Set() };
  const heading = h("h1", { tabindex: -1 }, t("home.title", { name: user() }));
  const lead = h("p", { class: "lead" });
  const mine = h("div");
  const list = h("div", { class: "cards" });
  const draw = () => {
    lead.textContent = t(`home.source.${kept.answer.source}`);
    mine.replaceChildren(...(likes().length ? [h("h2", { class: "small" }, t("home.shelf")), shelf(likes())] : []));
    const then = (event, found) => renew(event, found, draw, heading);
    list.replaceChildren(...kept.answer.items.map((found) => card(found, kept.answer, { fresh: kept.fresh.has(found.item_id), then })));
  };
  draw();
  return h("section", {}, heading, lead, mine, list);
}

/** Ask anew after a like or a dismissal, and say what has changed. */
async function renew(event, found, draw, heading) {
  const before = new Set(kept.answer.items.map(({ item_id }) => item_id));
  const answer = await fetched();
  const fresh = new Set(answer.items.map(({ item_id }) => item_id).filter((id) => !before.has(id)));
  kept = { who: user(), answer, fresh };
  draw();
  heading.focus();
  tell(t(`home.after.${event}`, { title: found.title, count: fresh.size }));
}
