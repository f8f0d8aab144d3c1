/** A list of listeners, called in the order they came. Emitting allocates nothing. */
export class EventSource<T> {
  readonly #listeners: ((value: T) => void)[] = [];

  /** Adds a listener; the function returned takes it away again. */
  listen(listener: (value: T) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      const index = this.#listeners.indexOf(listener);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  emit(value: T): void {
    for (let index = 0; index < this.#listeners.length; index++) this.#listeners[index]!(value);
  }
}
