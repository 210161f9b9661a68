// Clips of a run: spectrogram, sound, and over it what is annotated (outlined) and what was found (filled).
"use strict";
(() => {
  const root = document.body.dataset.root;
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const percent = (share) => `${(100 * share).toFixed(3)}%`;
  const time = (seconds) => `${seconds.toFixed(2)} s`;

  for (const box of document.querySelectorAll("div.clips")) {
    const clips = JSON.parse(box.querySelector("script").textContent);
    const select = make("select");
    clips.forEach((clip, place) => select.add(new Option(`${place + 1}. ${clip.labels.join(", ") || "nothing"} · ${clip.name}`, place)));
    const step = (text, by) => {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => {
        select.selectedIndex = (select.selectedIndex + by + clips.length) % clips.length;
        show();
      });
      return button;
    };
    const view = make("div", { class: "clip" });
    box.append(make("div", { class: "clip-choice" }, make("label", {}, "Clip ", select), step("Previous", -1), step("Next", 1)), view);
    select.addEventListener("change", show);
    show();

    function show() {
      const clip = clips[select.selectedIndex];
      view.replaceChildren(...(clip.lanes ? [key()] : []), stage(clip), ...sound(clip), ...about(clip));
    }

    function key() {
      const item = (name, text) => make("span", {}, make("i", { class: `swatch ${name}` }), text);
      return make("p", { class: "key" }, item("reference", "annotated"), item("estimate", "found"), item("curve", "probability over time"));
    }

    function stage(clip) {
      const lanes = clip.lanes ?? [];
      const names = make("div", { class: "lane-names", "aria-hidden": "true" }, ...lanes.map((lane) => make("span", {}, lane.name)));
      const picture = make("div", { class: "picture" });
      picture.append(make("img", { src: root + clip.image, alt: `Spectrogram of ${clip.name}, ${time(clip.seconds)}`, draggable: "false" }));
      picture.append(make("div", { class: "lanes", "aria-hidden": "true" }, ...lanes.map((lane) => laneOf(lane, clip.seconds))));
      const ticks = make("div", { class: "frequencies", "aria-hidden": "true" });
      for (const [text, place] of clip.ticks) {
        const tick = make("span", {}, text);
        tick.style.bottom = percent(place);
        ticks.append(tick);
      }
      picture.append(ticks, make("div", { class: "playhead", "aria-hidden": "true" }));
      const times = make("div", { class: "times", "aria-hidden": "true" });
      for (let place = 0; place <= 4; place++) times.append(make("span", {}, `${((clip.seconds * place) / 4).toFixed(clip.seconds < 4 ? 2 : 1)} s`));
      const all = make("div", { class: lanes.length ? "stage with-lanes" : "stage" }, names, picture, times);
      all.style.setProperty("--lanes", Math.max(lanes.length, 1));
      return all;
    }

    function laneOf(lane, seconds) {
      const line = make("div", { class: "lane" });
      for (const kind of ["reference", "estimate"]) {
        for (const [onset, offset] of lane[kind]) {
          const bar = make("i", { class: kind, title: `${lane.name}, ${kind === "reference" ? "annotated" : "found"}: ${time(onset)} to ${time(offset)}` });
          bar.style.left = percent(onset / seconds);
          bar.style.width = percent(Math.max(0, Math.min(offset, seconds) - onset) / seconds);
          line.append(bar);
        }
      }
      if (lane.curve) {
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("viewBox", `0 0 ${seconds} 1`);
        svg.setAttribute("preserveAspectRatio", "none");
        const path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
        path.setAttribute("points", lane.curve.map((value, place) => `${lane.times[place]},${1 - value}`).join(" "));
        svg.append(path);
        line.append(svg);
      }
      return line;
    }

    function sound(clip) {
      if (!clip.audio) return [make("p", { class: "note" }, "Its sound is not part of this site; with it: python -m leaderboard site --audio")];
      const audio = make("audio", { controls: "", preload: "metadata", src: root + clip.audio, "aria-label": `Sound of ${clip.name}` });
      const head = view.getElementsByClassName("playhead");
      const follow = () => {
        if (head[0]) head[0].style.left = percent(audio.currentTime / clip.seconds);
        if (!audio.paused && audio.isConnected) requestAnimationFrame(follow);
      };
      audio.addEventListener("play", follow);
      audio.addEventListener("timeupdate", follow);
      audio.addEventListener("seeked", follow);
      queueMicrotask(() => {
        const picture = view.querySelector(".picture");
        picture.classList.add("playable");
        picture.addEventListener("click", (event) => {
          const frame = picture.getBoundingClientRect();
          audio.currentTime = clip.seconds * Math.min(1, Math.max(0, (event.clientX - frame.left) / frame.width));
          audio.play();
        });
      });
      return [audio];
    }

    function about(clip) {
      const guesses = make("ol", { class: "guesses" });
      for (const [name, probability] of clip.guesses) {
        const bar = make("span", { class: "bar", "aria-hidden": "true" });
        bar.style.setProperty("--share", percent(Math.min(1, probability)));
        const right = clip.labels.includes(name);
        guesses.append(make("li", right ? { class: "right" } : {}, make("span", {}, name + (right ? " ✓" : "")), bar, make("span", {}, probability.toFixed(3))));
      }
      const facts = make("div", { class: "clip-facts" });
      facts.append(make("div", {}, make("h3", {}, "Annotated"), make("p", {}, clip.labels.join(", ") || "nothing")));
      facts.append(make("div", {}, make("h3", {}, "Most probable"), guesses));
      if (clip.lanes) facts.append(events(clip));
      return [facts];
    }

    function events(clip) {
      const rows = clip.lanes.flatMap((lane) =>
        ["reference", "estimate"].flatMap((kind) => lane[kind].map(([onset, offset]) => [lane.name, kind === "reference" ? "annotated" : "found", time(onset), time(offset)])),
      );
      const table = make("table", { class: "data" });
      const head = table.createTHead().insertRow();
      for (const text of ["Event", "", "from", "to"]) head.append(make("th", { scope: "col" }, text));
      const body = table.createTBody();
      for (const row of rows.sort((a, b) => parseFloat(a[2]) - parseFloat(b[2]))) body.append(make("tr", {}, make("th", { scope: "row" }, row[0]), ...row.slice(1).map((text) => make("td", {}, text))));
      return make("details", {}, make("summary", {}, `Events as a table (${rows.length})`), make("div", { class: "table-scroll" }, table));
    }
  }
})();
