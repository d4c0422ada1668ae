// Who looks: a name in this browser. What is known of them is the service's own.

import { h, tell } from "./dom.js";
import { post } from "./api.js";
import { t } from "./words.js";

const KEPT = 12;

export const user = () => localStorage.getItem("zhijian.user");

export function become(name) {
  localStorage.setItem("zhijian.user", name);
}

const shelf = () => `zhijian.likes.${user()}`;

/** What the user liked from this browser, latest first: { item_id, title }. */
export function likes() {
  return JSON.parse(localStorage.getItem(shelf()) ?? "[]");
}

/** Keep a like for the shelf; the service has it already. */
export function liked({ item_id, title }) {
  const others = likes().filter((each) => each.item_id !== item_id);
  localStorage.setItem(shelf(), JSON.stringify([{ item_id, title }, ...others].slice(0, KEPT)));
}

/** The view where one becomes a user. */
export async function view() {
  const input = h("input", { id: "name", name: "name", required: true, maxlength: 64, autocomplete: "nickname", value: user() ?? "" });
  const enter = (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    become(input.value.trim());
    location.hash = "#/";
  };
  const known = h("ul", { class: "people" });
  suggest(known);
  return h(
    "section", { class: "welcome" },
    h("h1", { tabindex: -1 }, t("you.title")),
    h("p", { class: "lead" }, t("you.lead")),
    h("form", { class: "line", onsubmit: enter }, h("label", { for: "name" }, t("you.name")), input, h("button", { class: "main" }, t("you.go"))),
    h("h2", {}, t("you.others")),
    h("p", {}, t("you.othersLead")),
    known,
    user() && leave(),
  );
}

/** Being forgotten is asked for twice, since nothing brings it back. */
function leave() {
  const name = user();
  const forget = async () => {
    try {
      const { events } = await post("/users/erase", { user_id: name });
      for (const key of [shelf(), "zhijian.user"]) localStorage.removeItem(key);
      sessionStorage.removeItem(`zhijian.talk.${name}`);
      dispatchEvent(new HashChangeEvent("hashchange")); // the view is made anew, for nobody
      tell(t("you.forgotten", { name, events }));
    } catch (error) {
      tell(error.message);
    }
  };
  const sure = h("button", { type: "button", class: "bad", onclick: forget }, t("you.forgetSure", { name }));
  const ask = ({ target }) => {
    target.replaceWith(sure);
    sure.focus();
  };
  return h("section", {}, h("h2", {}, t("you.forget")), h("p", {}, t("you.forgetLead", { name })), h("button", { type: "button", onclick: ask }, t("you.forget")));
}

/** People of the data who chose what is popular now. */
async function suggest(list) {
  try {
    const { items } = await post("/recommend", { history: [], k: 1 });
    const { users } = await post("/similar", { item_id: items[0].item_id, to: "users", k: 6 });
    list.replaceChildren(...users.map(({ user_id }) => h("li", {}, h("a", { class: "pill", href: "#/", onclick: () => become(user_id) }, user_id))));
  } catch {
    list.replaceChildren(h("li", {}, t("you.none")));
  }
}
