// A slider chooses which of the pictures drawn beforehand is shown. In a presentation one picture, table or claim fills
// the screen: left and right walk through them, up and down move the slider or scroll, Escape ends it. Without this script each
// slider shows its first picture.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  for (const slides of document.querySelectorAll(".slides")) {
    const input = slides.querySelector("input");
    const output = slides.querySelector("output");
    const frames = [...slides.querySelectorAll(".frame")];
    const show = () => {
      const at = Number(input.value);
      frames.forEach((frame, k) => frame.classList.toggle("shown", k === at));
      output.textContent = frames[at].dataset.label;
      input.setAttribute("aria-valuetext", frames[at].dataset.label);
    };
    input.addEventListener("input", show);
    show();
  }
  const stops = [...document.querySelectorAll("figure, .rows, .claims li, details.equation")];
  let at = -1; // the stop that is shown; -1 outside of a presentation
  const go = (to) => {
    stops[at]?.classList.remove("current");
    at = Math.min(to, stops.length - 1);
    document.body.classList.toggle("presenting", at >= 0);
    if (at < 0) return;
    const stop = stops[at];
    stop.classList.add("current");
    stop.dataset.heading = stop.closest("section")?.querySelector("h2").textContent ?? "";
    if (stop.tagName === "DETAILS") stop.open = true;
    document.body.dataset.stop = `${at + 1} / ${stops.length}`;
  };
  const slide = (by) => {
    const input = stops[at].querySelector("input");
    if (!input) return stops[at].scrollBy(0, -by * innerHeight / 3);
    input.value = Number(input.value) + by;
    input.dispatchEvent(new Event("input"));
  };
  document.addEventListener("keydown", (event) => {
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowRight: () => go(at + 1), PageDown: () => go(at + 1), " ": () => go(at + 1),
      ArrowLeft: () => go(Math.max(at - 1, 0)), PageUp: () => go(Math.max(at - 1, 0)),
      ArrowUp: () => slide(1), ArrowDown: () => slide(-1), Escape: () => go(-1),
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]();
  });
  document.querySelector("#present")?.addEventListener("click", (event) => {
    event.target.blur();
    go(0);
  });
  if (location.hash === "#present") go(0);
  document.body.dataset.ready = "yes";
})();
