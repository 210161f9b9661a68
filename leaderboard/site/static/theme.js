// Light or dark: what the reader chose, else what the system says. Runs before the page is drawn.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const apply = () => {
    root.classList.toggle("dark", (chosen() ?? (system.matches ? "dark" : "light")) === "dark");
    dispatchEvent(new Event("themechange"));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    document.querySelector("button.theme").addEventListener("click", () => {
      const next = root.classList.contains("dark") ? "light" : "dark";
      try {
        localStorage.setItem("theme", next);
        apply();
      } catch {
        root.classList.toggle("dark", next === "dark");
        dispatchEvent(new Event("themechange"));
      }
    });
  });
})();
