/** Texts for bytes: base64url without padding (as the API has them) and Base45 (RFC 9285, as QR codes have them). */

const BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (one) => one.charCodeAt(0));
}

export function toBase64url(data: Uint8Array): string {
  const binary = String.fromCharCode(...data);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function toBase45(data: Uint8Array): string {
  let text = "";
  for (let place = 0; place < data.length; place += 2) {
    const first = data[place] ?? 0;
    const second = data[place + 1];
    let value = second === undefined ? first : first * 256 + second;
    for (let digits = second === undefined ? 2 : 3; digits > 0; digits--) {
      text += BASE45[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}
