// One item: what the catalogue says, why it is for this user, and what is like it.

import { h, tell } from "./dom.js";
import { item, post } from "./api.js";
import { artwork } from "./art.js";
import { tile, verbs } from "./cards.js";
import { forget } from "./home.js";
import { drawing } from "./path.js";
import { user } from "./you.js";
import { has, language, number, t } from "./words.js";

const WIDE = matchMedia("(min-width: 760px)");
const WAYS = ["both", "content", "behaviour"];
const PATHS = 4;

const named = (name) => (has(`attribute.${name}`) ? t(`attribute.${name}`) : name);

export async function view(id) {
  const about = await item(id);
  const attributes = Object.entries(about.attributes).filter(([, values]) => values.length);
  return h(
    "section", { class: "item" },
    h("div", { class: "hero" },
      h("div", { class: "picture" }, artwork(about.title, about.categories)),
      h("div", {},
        h("h1", { tabindex: -1 }, about.title),
        h("ul", { class: "pills" }, about.categories.map((each) => h("li", { class: "pill" }, each))),
        about.text && h("p", { class: "text" }, about.text),
        h("dl", {}, attributes.map(([name, values]) => h("div", {}, h("dt", {}, named(name)), h("dd", {}, values.slice(0, 8).join(", "))))),
        user() && verbs({ item_id: id, title: about.title }, null, after))),
    user() && why(id, about.title),
    like(id),
  );
}

function after(event, { title }) {
  forget();
  tell(t(`item.after.${event}`, { title }));
}

/** Why, in words, drawn, and what of the user's history was looked at. */
function why(id, title) {
  const place = h("section", { class: "panel", "aria-busy": "true" }, h("h2", {}, t("item.why", { name: user() })), h("p", {}, t("wait")));
  post("/explain", { item_id: id, user_id: user(), language }).then((said) => {
    const { paths, attention, rank, score } = said.item;
    const most = Math.max(...attention.map(({ weight }) => weight), 1e-9);
    const bar = ({ title: seen, weight }) => h("li", {}, h("span", {}, seen), h("meter", { min: 0, max: most, value: weight, "aria-label": t("item.share", { title: seen }) }), h("span", { class: "share" }, `${number(100 * weight)} %`));
    place.lastChild.replaceWith(
      h("p", {}, said.text.text), h("p", { class: "facts" }, t("item.rank", { rank, chance: number(100 * score, 2) })),
      drawing(title, paths.slice(0, PATHS), WIDE.matches) ?? h("p", { class: "facts" }, t("item.nopath")),
      ...(attention.length ? [h("h3", {}, t("item.attention")), h("ul", { class: "bars" }, attention.slice(0, 5).map(bar))] : []),
    );
  }, (error) => place.lastChild.replaceWith(h("p", { class: "wrong" }, error.message))).finally(() => place.removeAttribute("aria-busy"));
  return place;
}

/** What is like it, by what one chooses. */
function like(id) {
  const list = h("div", { class: "cards small" });
  const show = async (by) => {
    try {
      const { items } = await post("/similar", { item_id: id, k: 8, by });
      list.replaceChildren(...items.map((found) => tile(found)));
    } catch (error) {
      list.replaceChildren(h("p", { class: "wrong" }, error.message));
    }
  };
  const way = (by) => h("label", {}, h("input", { type: "radio", name: "by", value: by, checked: by === WAYS[0], onchange: () => show(by) }), ` ${t(`item.by.${by}`)}`);
  show(WAYS[0]);
  return h("section", {}, h("h2", {}, t("item.like")), h("fieldset", { class: "ways" }, h("legend", {}, t("item.by")), WAYS.map(way)), list);
}
