// What Gradio runs when the page is loaded; all else is in the modules beside it.
import(new URL("workbench/main.js", document.baseURI)).then(({ start }) => start({ element, props, trigger, upload, watch }));
