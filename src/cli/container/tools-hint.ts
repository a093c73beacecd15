import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** A program of an image that is not there, docker's exit code. */
const NOT_FOUND = 127;

/** The same failure; where the program is not in the image, with the way to look into an image that has no shell. */
export function withToolsHint(error: unknown, image: string): unknown {
  if (!(error instanceof Failure) || error.exit !== NOT_FOUND || !error.message.startsWith('exec: "')) return error;
  return new Failure(error.code, error.message, {
    exit: error.exit,
    hint: `${error.hint ?? ""} For a shell with tools beside its files: nought debug ${printable(image)}`.trim(),
    cause: error,
  });
}
