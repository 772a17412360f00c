// A stop of the tour: what it speaks of is marked and scrolled to, and Enter goes on to the next.

const PATIENCE = 10000;

export function tour() {
  const card = document.getElementById("tour");
  if (!card) return;
  card.querySelector(".next").focus({ preventScroll: true });
  const shown = document.getElementById(card.dataset.show);
  if (!shown) return;
  shown.classList.add("toured");
  shown.closest("details")?.setAttribute("open", "");
  // a reader who moves the page has it to himself
  let mine = true;
  for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(kind, () => (mine = false), { once: true });
  const until = performance.now() + PATIENCE;
  const look = () => {
    if (!mine || performance.now() > until) return;
    // what stands above may still grow as it is drawn
    if (shown.offsetParent) shown.style.scrollMarginTop = `${card.offsetHeight + 14}px`;
    const off = shown.offsetParent ? shown.getBoundingClientRect().top - card.offsetHeight - 14 : 0;
    if (Math.abs(off) > 1) shown.scrollIntoView({ block: "start" });
    requestAnimationFrame(look);
  };
  look();
}
