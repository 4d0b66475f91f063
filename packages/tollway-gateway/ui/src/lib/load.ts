import { useEffect, useState } from "preact/hooks";
import { ApiError, get } from "./api";

export interface Loaded<T> {
  data: T | null;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
}

/** Read one address of the API, and again when it changes; what was shown stays until the new is there. */
export function useLoad<T>(path: string | null, params: Record<string, string | null | undefined> = {}, version = 0): Loaded<T> {
  const key = path === null ? null : JSON.stringify([path, params]);
  const [state, setState] = useState<{ key: string | null; data: T | null; error: ApiError | null }>({ key: null, data: null, error: null });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    get<T>(path, params, abort.signal).then(
      (data) => setState({ key, data, error: null }),
      (error: unknown) => {
        if (!abort.signal.aborted) setState((old) => ({ key, data: old.data, error: asApiError(error) }));
      },
    );
    return () => abort.abort();
  }, [key, attempt, version]);
  return { data: state.data, error: state.error, loading: state.key !== key, reload: () => setAttempt((value) => value + 1) };
}

export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, error instanceof Error ? error.message : String(error));
