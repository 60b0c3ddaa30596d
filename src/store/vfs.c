/*
 * SQLite's unix VFS with a count of its syncs.
 *
 * The files stay those of the unix VFS; only their method tables are copies that lie in the handle, so
 * that xSync finds its handle from the table's address. The first sync of a WAL or journal syncs the
 * folder too (os_unix.c does it for journals opened with CREATE) and counts two.
 */
#include "store/internal.h"

#include <stdio.h>

static int count_sync(sqlite3_file *f, int flags)
{
	struct vfs_table *t = (struct vfs_table *)f->pMethods;

	t->s->syncs += t == &t->s->tables[VFS_LOG_NEW] ? 2 : 1;
	if (t == &t->s->tables[VFS_LOG_NEW])
		f->pMethods = &t->s->tables[VFS_LOG].io;
	return t->base->xSync(f, flags);
}

static void fill_table(struct store *s, enum vfs_table_kind kind, const sqlite3_io_methods *base)
{
	struct vfs_table *t = &s->tables[kind];

	if (t->base)
		return;
	*t = (struct vfs_table){ *base, base, s };
	t->io.xSync = count_sync;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	const int logs = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
	struct store *s = vfs->pAppData;
	int rc = s->vfs_base->xOpen(s->vfs_base, name, f, flags, ret_flags);
	enum vfs_table_kind kind = VFS_DB;

	if (rc != SQLITE_OK || !f->pMethods)
		return rc;
	/* Temporary files are never synced. */
	if (!(flags & (SQLITE_OPEN_MAIN_DB | logs)))
		return rc;
	if (flags & logs)
		kind = flags & SQLITE_OPEN_CREATE ? VFS_LOG_NEW : VFS_LOG;
	fill_table(s, kind, f->pMethods);
	/* What a first sync turns into. */
	if (kind == VFS_LOG_NEW)
		fill_table(s, VFS_LOG, f->pMethods);
	ASSERT(s->tables[kind].base == f->pMethods);
	f->pMethods = &s->tables[kind].io;
	return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	struct store *s = vfs->pAppData;

	s->syncs += sync_dir != 0;
	return s->vfs_base->xDelete(s->vfs_base, name, sync_dir);
}

int vfs_register(struct store *s)
{
	sqlite3_vfs *base = sqlite3_vfs_find("unix");

	if (!base)
		return -ENOMEM;
	s->vfs_base = base;
	s->vfs = *base;
	s->vfs.pNext = NULL;
	s->vfs.pAppData = s;
	s->vfs.xOpen = vfs_open;
	s->vfs.xDelete = vfs_delete;
	snprintf(s->vfs_name, sizeof(s->vfs_name), "corten-%p", (void *)s);
	s->vfs.zName = s->vfs_name;
	return sqlite3_vfs_register(&s->vfs, 0) == SQLITE_OK ? 0 : -ENOMEM;
}

void vfs_unregister(struct store *s)
{
	if (s->vfs_base)
		sqlite3_vfs_unregister(&s->vfs);
}
