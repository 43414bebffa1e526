// What needs a script: leaving a tooltip with Escape, and choosing light or dark. Everything else works without.
(() => {
  const root = document.documentElement;
  for (const tipped of document.querySelectorAll(".tipped")) {
    const again = () => tipped.classList.remove("dismissed");
    tipped.addEventListener("mouseleave", again);
    tipped.addEventListener("focusout", again);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const tipped of document.querySelectorAll(".tipped:hover, .tipped:focus-within")) tipped.classList.add("dismissed");
  });
  const themes = ["auto", "light", "dark"];
  const button = document.querySelector(".theme");
  const read = () => { try { return localStorage.getItem("c360-theme"); } catch { return null; } };
  const show = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = themes.includes(read()) ? read() : "auto";
  show(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("c360-theme", theme); } catch { /* a page opened from a file may not keep it */ }
    show(theme);
  });
})();
