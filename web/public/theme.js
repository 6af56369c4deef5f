// Applies the chosen theme before the first paint. It is a file of its own because the content
// security policy allows no inline script.
try {
  var theme = localStorage.getItem("crannog.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // Storage may be forbidden; the system's theme is right then.
}
