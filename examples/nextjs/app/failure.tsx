import { ApiError } from "../lib/api";

type Props = { action: string; error: Error | null; onTryAgain?: () => void };

/** Which action failed, and why; with a button, where the same may succeed later. */
export function Failure({ action, error, onTryAgain }: Props) {
  if (!error) return null;
  return (
    <div role="alert" className="failure">
      <span>
        {action}: {error.message}
      </span>
      {onTryAgain && error instanceof ApiError && error.isTemporary && (
        <button type="button" onClick={onTryAgain}>
          Try again
        </button>
      )}
    </div>
  );
}
