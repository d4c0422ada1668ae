// Search in words: a title, or what is wanted.

import { h } from "./dom.js";
import { post } from "./api.js";
import { tile } from "./cards.js";
import { t } from "./words.js";

export async function view(query) {
  const { items } = await post("/search", { query, k: 24 });
  return h(
    "section", {},
    h("h1", { tabindex: -1 }, t("search.title", { query })),
    h("p", { class: "lead" }, items.length ? t("search.count", { count: items.length }) : t("search.none")),
    h("div", { class: "cards" }, items.map((found) => tile(found, "h2"))),
  );
}
