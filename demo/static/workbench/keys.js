// The keyboard. What an element of the page does by a key stands in its `data-key`; the rest is the canvas's.
//
// Free for what lies around the canvas: in Select with nothing marked or stepped to, Enter and the arrows; always, the
// digits 1 to 9, N and Delete. Keys that are taken are marked as such (`defaultPrevented`).

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const PEN_STEP = { coarse: 12, fine: 1 };   // screen pixels of an arrow key, with Shift the fine one

const takesText = (node) => node.matches?.("input:not([type=radio], [type=range], [type=file], [type=checkbox]), textarea, select, [contenteditable]");

export function listenToKeys(element, canvas, bench) {
  const shown = () => element.isConnected && element.offsetParent !== null;

  function general(event) {
    const letter = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
    if (event.key === "Escape") return bench.escape();
    const writes = takesText(event.target) && event.target.value;   // whose own undo that is
    if (command && letter === "z" && !writes) return event.shiftKey ? bench.redo() : bench.undo();
    if (command && letter === "y" && !writes) return bench.redo();
    if (event.altKey && /^Digit[1-9]$/.test(event.code)) return bench.panel.accept(event.code.at(-1) - 1);
    if (command || event.altKey || takesText(event.target)) return false;
    const meant = [...element.querySelectorAll("[data-key]")].find((node) => node.dataset.key.split(" ").includes(letter));
    if (meant && takesText(meant)) meant.focus();
    else meant?.click();   // the focus stays where it is
    return meant !== undefined;
  }

  function onCanvas(event) {
    const arrow = ARROWS[event.key];
    if (event.key === " ") { bench.pointer.spaceHeld = true; return true; }
    if (event.key === "." || event.key === ",") return bench.pointing.stepTo(event.key === "." ? 1 : -1);
    if (arrow && bench.toolName !== "select") return bench.pointing.movePen(arrow, event.shiftKey ? PEN_STEP.fine : PEN_STEP.coarse, event);
    if (event.key === "Backspace" && bench.toolName === "polygon") { bench.tool.back(); return bench.redraw(); }
    if (event.key === "Enter") return bench.pointing.enter(event);
    return false;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !shown()) return;
    const within = element.contains(event.target) || event.target === document.body || event.key === "Escape";
    const took = within && (general(event) !== false || (event.target === canvas && bench.isOpen && onCanvas(event) !== false));
    if (took) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => { if (event.key === " ") bench.pointer.spaceHeld = false; });
}
