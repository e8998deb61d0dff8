/* Light, dark, or as the system is. Not a module: it has to run before anything is seen. */
"use strict";

const theme = {
  choices: ["auto", "light", "dark"],
  system: matchMedia("(prefers-color-scheme: dark)"),
  choice: "auto",

  /** Take one of the choices, and remember it. */
  choose(choice) {
    this.choice = this.choices.includes(choice) ? choice : "auto";
    try {
      localStorage.setItem("stractory-theme", this.choice);
    } catch {
      // Where nothing may be kept it holds for this page.
    }
    this.apply();
  },

  next() {
    this.choose(this.choices[(this.choices.indexOf(this.choice) + 1) % this.choices.length]);
  },

  apply() {
    const dark = this.choice === "dark" || (this.choice === "auto" && this.system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.dispatchEvent(new Event("themechange"));
  },
};

try {
  theme.choice = localStorage.getItem("stractory-theme") ?? "auto";
} catch {
  // See above.
}
theme.system.addEventListener("change", () => theme.apply());
theme.choose(theme.choice);
window.stractoryTheme = theme;
