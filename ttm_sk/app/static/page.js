// What makes the forms pleasant; without it they work all the same.
"use strict";

function watchForm(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
    form.querySelector(".busy").textContent = form.dataset.busy;
    // After the form has been collected, or a button's own value would be left out.
    setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
  });
}

function release(form) {
  delete form.dataset.sent;
  form.removeAttribute("aria-busy");
  form.querySelector(".busy").textContent = "";
  form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
}

function command(text) {
  const made = document.createElement("code"); // which no line break parts
  made.textContent = text;
  return made;
}

function checkSize(input, problem) {
  const file = input.files[0];
  const limit = Number(input.dataset.limit);
  const isTooLarge = Boolean(file) && file.size > limit;
  const megabytes = (bytes) => Math.round(bytes / 1048576).toLocaleString("en");
  problem.hidden = !isTooLarge;
  problem.replaceChildren(...isTooLarge ? [
    `“${file.name}” has ${megabytes(file.size)} MB, this page takes at most ${megabytes(limit)} MB. Choose a smaller file, `,
    "start the page with ", command("ttm-sk app --upload-limit MB"),
    ", or use ", command("ttm-sk forecast"), ", which has no limit.",
  ] : []);
  input.setCustomValidity(isTooLarge ? "The file is too large for this page." : "");
}

function watchDrop(drop, input) {
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
    if (input.form.reportValidity()) input.form.requestSubmit();
  });
}

const busyForms = document.querySelectorAll("form[data-busy]");
busyForms.forEach(watchForm);
addEventListener("pageshow", () => busyForms.forEach(release)); // when the browser goes back to this page

const file = document.getElementById("file");
if (file) {
  const problem = document.getElementById("file-problem");
  file.addEventListener("change", () => checkSize(file, problem));
  watchDrop(document.getElementById("drop"), file);
}
document.getElementById("problem")?.focus();
