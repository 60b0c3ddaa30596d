/* corten-runtime: the OCI runtime. All is in oci/; see oci/cmd.h. */
#include "oci/cmd.h"

int main(int argc, char **argv)
{
	return cmd_main(argc, argv);
}
