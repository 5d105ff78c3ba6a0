// Sets this process's clock to the time in the query of this module's address, from which it goes on. Import it before
// anything that asks for the time.

const { searchParams } = new URL(import.meta.url);
const RealDate = Date;
const offset = RealDate.parse(searchParams.get("at") ?? "") - RealDate.now();
if (Number.isNaN(offset)) throw new Error(`${import.meta.url} does not say a time`);

globalThis.Date = class extends RealDate {
  public constructor(...args: [] | ConstructorParameters<DateConstructor>) {
    if (args.length === 0) super(RealDate.now() + offset);
    else super(...args);
  }

  public static override now(): number {
    return RealDate.now() + offset;
  }
} as DateConstructor;
