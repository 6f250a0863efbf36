// Sliders choose which of the pictures drawn beforehand is shown. Without this script each shows its first state.
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
  document.body.dataset.ready = "yes";
})();
