// The studies of a runs folder.

import { ask, path } from "./ask.js";
import { count } from "./format.js";
import { html } from "./svg.js";
import { themeButton } from "./theme.js";

themeButton(() => {});
const said = document.getElementById("said");
ask("/api/studies").then(
  (studies) => {
    said.textContent = studies.length ? "" : "No studies here yet: `latebloom sweep` makes one.";
    const rows = studies.map((study) => {
      const link = html("a", "", study.name);
      link.href = `/study/${path(study.folder)}`;
      const name = Object.assign(html("th", "", link, html("span", "rule", study.error ?? "")), { scope: "row" });
      const axes = study.axes.map((axis) => `${axis.name} (${axis.values})`).join(", ");
      return html("tr", "", name, html("td", "number", count(study.runs)), html("td", "", axes));
    });
    document.querySelector("tbody").replaceChildren(...rows);
  },
  (error) => (said.textContent = error.message),
);
