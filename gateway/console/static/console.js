// What makes the console quicker for who has JavaScript. Everything it does can be done without it.
"use strict";
document.documentElement.classList.add("js");

const keysOff = () => localStorage.getItem("keys-off") === "1";
const isDigit = (event) => /^(?:Digit|Numpad)[0-9]$/.test(event.code);
// A unit's code has five digits: one more is no part of it.
const isWholeCode = (element) => element.id === "unit" && /^[0-9]{5}$/.test(element.value) && element.selectionStart === 5;
const isWords = (element) => element.id === "words" && element.form?.id === "decide";
const stayButton = () => document.getElementById("stay");
const isTyping = (element) => element.matches("textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=submit])");

// An error summary is read first; who is already writing, because this script came late, goes on.
const errors = document.getElementById("errors");
if (errors && document.activeElement === document.body) errors.focus();

// Keys by their place on the keyboard: input methods (Telex, VNI) compose with letters and digits.
document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.altKey || event.metaKey) return;
  const dialog = document.getElementById("keys");
  if (dialog && dialog.open) return;
  const form = document.getElementById("decide");
  if (isWords(event.target) && event.key === "Enter") { send(form, event, event.shiftKey ? stayButton() : null); return; }
  if (form && event.target.form === form && event.code === "Escape" && isTyping(event.target)) { event.target.blur(); return; }
  if (isTyping(event.target) && !(isDigit(event) && isWholeCode(event.target))) return;
  if (event.key === "?" && dialog && !keysOff()) { event.preventDefault(); dialog.showModal(); return; }
  if (keysOff()) return;
  if (event.shiftKey) { if (form && event.key === "Enter") send(form, event, stayButton()); return; }
  if (event.code === "KeyR") { openNextMasked(event); return; }
  const opened = event.target.closest("details.reveal");
  if (opened && isDigit(event)) { event.preventDefault(); opened.querySelector(`[data-digit="${event.code.at(-1)}"]`)?.click(); return; }
  if (opened && event.code === "Escape") { event.preventDefault(); opened.open = false; document.activeElement.blur(); return; }
  const button = document.querySelector(`[data-key="${event.code}"]`);
  if (button) { event.preventDefault(); button.click(); return; }
  if (form) decideByKey(form, event);
});

// The value that decides most such cases first, at every further press the next one in reading order.
function openNextMasked(event) {
  const all = [...document.querySelectorAll("details.reveal")];
  if (all.length === 0) return;
  event.preventDefault();
  const before = all.findIndex((details) => details.open);
  for (const details of all) details.open = false;
  const first = all.findIndex((details) => "first" in details.dataset);
  const details = all[before < 0 ? Math.max(first, 0) : (before + 1) % all.length];
  details.open = true;
  details.querySelector("button").focus();
}

function send(form, event, button) {
  event.preventDefault();
  form.requestSubmit(button);
}

// A digit chooses a decision, then what else it asks for, one after the other, then its reason. Escape goes a step back.
// What was filled in on an earlier visit is not gone on with: who comes back begins with the decision, as on any page.
function decideByKey(form, event) {
  const chosen = form.querySelector("input[name=choice]:checked");
  if (event.code === "Escape" && chosen) { stepBack(chosen); event.preventDefault(); return; }
  const isIdle = !event.target.closest("a, button, summary, select");
  if (event.key === "Enter" && chosen && isIdle) { send(form, event); return; }
  if (!isDigit(event)) return;
  const among = chosen && !isKept ? turnOf(chosen) : form;
  const input = among?.querySelector(`input${among === form ? "[name=choice]" : ""}[data-digit="${event.code.at(-1)}"]`);
  if (!input) return;
  event.preventDefault();
  if (isKept) forgetAnswers(form);
  input.checked = true;
  (asksForWords(input) ?? (input.closest(".keyed") ? input : input.closest(".option").querySelector("#unit") ?? input)).focus();
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// Another reason than those of the list is said in words.
const asksForWords = (input) => (input.value === "other" && input.name.startsWith("code.") ? document.getElementById("words") : null);
const asked = (chosen) => [...chosen.closest(".option").querySelectorAll(".keyed")];
const isAnswered = (group) => group.querySelector("input:checked") !== null;

// What the next digit answers: the first question without an answer, else the last one, which is the reason; to approve
// asks for nothing.
function turnOf(chosen) {
  return asked(chosen).find((group) => !isAnswered(group)) ?? asked(chosen).at(-1);
}

function stepBack(chosen) {
  const last = asked(chosen).findLast((group) => isAnswered(group) && group.querySelectorAll("input").length > 1);
  const undone = last ? last.querySelector("input:checked") : chosen;
  undone.checked = false;
  undone.dispatchEvent(new Event("change", { bubbles: true }));
}

function forgetAnswers(form) {
  for (const group of form.querySelectorAll(".keyed")) {
    const inputs = group.querySelectorAll("input");
    if (inputs.length > 1) for (const input of inputs) input.checked = false;
  }
  const unit = form.querySelector("#unit");
  if (unit) unit.value = "";
}

const wordsOf = (label) => [...label.childNodes].filter((node) => node.nodeName !== "KBD").map((node) => node.textContent).join("").trim();

// What has been chosen so far, in the words of the page.
function chosenWords(chosen) {
  const inputs = [chosen, ...chosen.closest(".option").querySelectorAll(".details input:checked, #unit")];
  return inputs.map((input) => (input.id === "unit" ? input.value : wordsOf(input.labels[0]))).join(" · ");
}

// What is still to be said beside what digits choose.
function lacking(chosen) {
  const option = chosen.closest(".option");
  const asksWords = option.querySelector(".reasons input[value=other]:checked");
  const empty = [option.querySelector("#unit"), asksWords && document.getElementById("words")].find((field) => field?.value.trim() === "");
  return empty?.labels[0].textContent;
}

function told(line, chosen) {
  const next = chosen ? asked(chosen).find((group) => !isAnswered(group))?.querySelector("legend").textContent : line.dataset.first;
  if (isKept) return line.dataset.kept;
  if (next) return `${line.dataset.says} ${next}`;
  const lacks = lacking(chosen);
  return lacks ? `${line.dataset.lacks} ${lacks}` : `${line.dataset.sends} ${chosenWords(chosen)}`;
}

function showTurn(form) {
  for (const group of form.querySelectorAll(".turn")) group.classList.remove("turn");
  const chosen = form.querySelector("input[name=choice]:checked");
  if (chosen) turnOf(chosen)?.classList.add("turn");
  const line = document.getElementById("turn");
  line.textContent = told(line, chosen);
}

// What is filled in is kept while it is being filled in.
const decide = document.getElementById("decide");
let isKept = decide !== null && "kept" in decide.dataset;  // filled in on an earlier visit, and not touched on this one
let saving = 0;
let isSent = false;
if (decide) {
  showTurn(decide);
  decide.addEventListener("submit", () => { isSent = true; clearTimeout(saving); });
  for (const kind of ["change", "input"]) {
    decide.addEventListener(kind, () => { goOn(); errors?.remove(); showTurn(decide); });  // they were about what was sent
    document.addEventListener(kind, (event) => {
      if (event.target.form !== decide) return;
      clearTimeout(saving);
      saving = setTimeout(saveDraft, 700);
    });
  }
  // To look at a value opens the page again: with what was filled in a moment before.
  document.addEventListener("submit", async (event) => {
    if (!saving || !event.target.closest("details.reveal")) return;
    event.preventDefault();
    clearTimeout(saving);
    try { await saveDraft(); } finally { event.target.requestSubmit(event.submitter); }
  });
}

// What is filled in is this visit's from now on, and so it is after a look at a value.
function goOn() {
  isKept = false;
  for (const mark of document.querySelectorAll("details.reveal input[name=kept]")) mark.remove();
}

async function saveDraft() {
  saving = 0;
  if (isSent) return;
  const answer = await fetch(decide.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(decide)) });
  if (answer.ok && !answer.redirected) document.getElementById("draft").textContent = await answer.text();
}

// Clocks that run down: a lease, and the time for undoing.
function countDown(element, show, over) {
  const end = performance.now() + 1000 * Number(element.dataset.seconds);
  const tick = () => {
    const left = Math.max(0, Math.round((Number(element.dataset.until ?? end) - performance.now()) / 1000));
    show(left);
    if (left > 0) setTimeout(tick, 1000); else over();
  };
  tick();
}
const lease = document.querySelector(".lease");
if (lease) {
  const two = (number) => String(number).padStart(2, "0");
  const clock = (left) => { lease.textContent = lease.dataset.says.replace("{}", `${two(Math.floor(left / 60))}:${two(left % 60)}`); };
  countDown(lease, clock, () => lease.classList.add("over"));
  document.addEventListener("htmx:after:request", (event) => {
    const text = event.detail?.ctx?.text;
    if (event.target === lease && /^[0-9]+$/.test(text ?? "")) lease.dataset.until = performance.now() + 1000 * Number(text);
  });
}
const undo = document.querySelector("form.undo");
if (undo) countDown(undo, (left) => { undo.querySelector(".left").textContent = left; }, () => undo.remove());

// The list of keys, and switching single-character keys off (WCAG 2.1.4).
for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
}
const off = document.getElementById("keys-off");
if (off) {
  off.checked = keysOff();
  off.addEventListener("change", () => localStorage.setItem("keys-off", off.checked ? "1" : "0"));
}
