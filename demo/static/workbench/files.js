// Ways to open a picture: a file that is chosen, dropped or pasted, and the camera.

/** `open(file)` takes a picture, `openAll(files)` several or a zip of them; `say(text, isError)` tells what went wrong. Gives what closes the camera. */
export function offerFiles(element, find, open, openAll, say) {
  const stage = find("stage"), video = find("video"), camera = find("camera");
  const input = find("file");

  function choose() {
    open(input.files[0]);
    input.value = "";
  }

  input.addEventListener("change", choose);
  if (input.files.length) choose();   // while this was being loaded
  stage.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("wb-over"); });
  stage.addEventListener("dragleave", () => stage.classList.remove("wb-over"));
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("wb-over");
    const files = [...event.dataTransfer.files];
    if (files.length > 1 || files[0]?.name.toLowerCase().endsWith(".zip")) openAll(files);
    else open(files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file && element.isConnected) open(file);
  });

  function closeCamera() {
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    video.hidden = true;
    camera.textContent = "Camera";
  }

  camera.addEventListener("click", async () => {
    if (video.srcObject) {
      const shot = new OffscreenCanvas(video.videoWidth, video.videoHeight);
      shot.getContext("2d").drawImage(video, 0, 0);
      closeCamera();
      open(new File([await shot.convertToBlob({ type: "image/png" })], "camera.png", { type: "image/png" }));
      return;
    }
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      video.hidden = false;
      find("empty").hidden = true;
      await video.play();
      camera.textContent = "Take the picture";
    } catch {
      say("no camera can be used here; open a file instead", true);
    }
  });
  return closeCamera;
}
