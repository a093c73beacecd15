import { columnsOf, cutToColumns } from "./width.ts";

/** Where progress is drawn. */
export interface Terminal {
  write(text: string): void;
  columns(): number;
  rows(): number;
  readonly color: boolean;
}

/** A line of the region: what is written and the columns it takes. */
export interface RegionLine {
  readonly text: string;
  readonly width: number;
}

const HIDE = "\u001b[?25l";
const SHOW = "\u001b[?25h";

/** The last lines of a terminal, redrawn in place. The cursor stands below them and is hidden meanwhile. */
export class Region {
  readonly #terminal: Terminal;
  #drawn: readonly number[] = [];
  #hidden = false;
  /** A second interrupt leaves without `end`: the cursor must come back all the same. */
  readonly #restore = (): void => this.#terminal.write(SHOW);

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get columns(): number {
    return Math.max(1, this.#terminal.columns());
  }

  get rows(): number {
    return Math.max(2, this.#terminal.rows());
  }

  draw(lines: readonly RegionLine[]): void {
    if (!this.#hidden) {
      process.once("exit", this.#restore);
      this.#hidden = true;
    }
    this.#terminal.write(`${HIDE}${this.#erase()}${lines.map((line) => `${line.text}\n`).join("")}`);
    this.#drawn = lines.map((line) => line.width);
  }

  /** Text that stays, above the region; the region is gone until the next drawing. */
  above(text: string): void {
    this.#terminal.write(`${this.#erase()}${text}\n`);
    this.#drawn = [];
  }

  /** The last drawing, or none: the region stays as it is and the cursor comes back. */
  end(lines: readonly RegionLine[]): void {
    process.removeListener("exit", this.#restore);
    const text = `${this.#erase()}${lines.map((line) => `${line.text}\n`).join("")}${this.#hidden ? SHOW : ""}`;
    if (text !== "") this.#terminal.write(text);
    this.#drawn = [];
    this.#hidden = false;
  }

  /** A line with something at its right end; `paint` is a colour of SGR, 0 for none. */
  row(left: string, right: string, paint = 0): RegionLine {
    const room = this.columns - right.length - 2;
    const fitting = cutToColumns(left, room < 10 ? this.columns : room);
    const text = room < 10 || right === "" ? fitting : fitting + " ".repeat(room + 1 - columnsOf(fitting)) + right;
    const width = columnsOf(text);
    return { text: paint === 0 || !this.#terminal.color ? text : `\u001b[${paint}m${text}\u001b[0m`, width };
  }

  #erase(): string {
    // Lines that no longer fit after the window became narrower take several rows now.
    const rows = this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / this.columns)), 0);
    return rows > 0 ? `\r\u001b[${rows}A\u001b[J` : "";
  }
}
