import type { EraseLine } from '../administer/erase.ts'
import { answerExport, carryOutErase, type UserDataOptions } from '../http/admin/user-data.ts'
import type { AppContext } from '../http/context.ts'
import type { Threads } from '../threads/threads.ts'

/** What one user left behind: to read, to hand over, to erase. */
export interface UserData {
  readonly threads: Pick<Threads, 'list' | 'find' | 'listItems'>
  /** As the admin endpoint answers it; in the audit trail before it resolves. */
  answerExport(c: AppContext, user: string): Promise<Response>
  /**
   * In the audit trail before it resolves. Begins when the first line is asked for, and goes on to its
   * end when nobody reads the rest.
   */
  erase(c: AppContext, user: string): Promise<AsyncGenerator<EraseLine, void, undefined>>
}

/**
 * The same functions as the admin endpoints'.
 *
 * @param options - sources, trail, log
 */
export function createUserData(options: UserDataOptions & Pick<UserData, 'threads'>): UserData {
  return {
    threads: options.threads,
    answerExport: (c, user) => answerExport(c, options, user),
    erase: (c, user) => carryOutErase(c, options, user),
  }
}
