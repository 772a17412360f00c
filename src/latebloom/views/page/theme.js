// Dark or light, paper, and definitions that Escape puts away: what every page has.

import { isDark } from "./heat.js";

export function themeButton(draw) {
  const button = document.getElementById("theme");
  const show = () => (button.textContent = isDark() ? "light" : "dark");
  const redraw = () => {
    show();
    draw();
  };
  const choose = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    redraw();
  };
  button.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  button.hidden = false;
  show();
  forPrint(choose);
}

// On paper all is light, unfolded, and as wide as a page; the many further measures only where the reader has opened them.
function forPrint(choose) {
  let before = "";
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme ?? "";
    document.body.classList.add("paper");
    choose("light");
    for (const details of document.querySelectorAll("details:not(.rest)")) details.open = true;
  });
  addEventListener("afterprint", () => {
    document.body.classList.remove("paper");
    choose(before);
  });
}

// Escape puts a definition away without moving the pointer or the focus.
export function tooltips() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.add("no-tooltips");
  });
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.closest?.(".about")) document.body.classList.remove("no-tooltips");
    });
  }
}
