// Signing in: the key goes to the station box and is kept nowhere here.

const form = document.getElementById("sign-in");
const key = document.getElementById("key");
const trouble = document.getElementById("trouble");
const button = form.querySelector("button");

document.getElementById("show").addEventListener("change", (event) => {
  key.type = event.target.checked ? "text" : "password";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  trouble.textContent = "";
  const said = await signIn(key.value.trim());
  button.disabled = false;
  if (said === null) {
    location.reload();
    return;
  }
  trouble.textContent = said;
  key.setAttribute("aria-invalid", "true");
  key.focus();
  key.select();
});

/** What is wrong, or null. */
async function signIn(typed) {
  try {
    const answer = await fetch("sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Waypass-Page": "station" },
      body: JSON.stringify({ key: typed }),
    });
    if (answer.ok) return null;
    return answer.status === 429 ? form.dataset.many : answer.status === 401 ? form.dataset.wrong : form.dataset.noBox;
  } catch {
    return form.dataset.noBox;
  }
}

key.focus();
