// Small helpers. Every text is set as text, never as markup.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, content] of Object.entries(attributes)) {
    if (key === "text") node.textContent = content;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), content);
    else node.setAttribute(key, content);
  }
  node.append(...children);
  return node;
}

export const percent = (share) => share >= 0.1 ? `${Math.round(100 * share)} %` : `${(100 * share).toFixed(1)} %`;

export async function bitmap(url) {
  const blob = await (await fetch(url)).blob();
  return createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
}
