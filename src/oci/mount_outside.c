#include "oci/mount_outside.h"

#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"

int mount_make_outside(struct step *s, struct err *e)
{
	struct mnt *m = &s->mount;
	int r = 0;

	if (s->idmap_uids_n)
		r = m->idmap_userns = ns_make_user(s->idmap_uids, s->idmap_uids_n, s->idmap_gids,
						   s->idmap_gids_n, e);
	if (r >= 0 && mnt_has_detached()) {
		r = m->made_fd = mnt_make(m, e);
		if (m->idmap_userns > 0)
			close(m->idmap_userns);
		m->idmap_userns = 0;
		if (r >= 0)
			r = mnt_set_propagation(m->made_fd, MS_SLAVE, true, e);
	}
	return r < 0 ? err_wrap(e, r, "error mounting \"%s\" to rootfs at \"%s\"", m->source,
				s->path)
		     : 0;
}
