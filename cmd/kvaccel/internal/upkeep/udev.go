package upkeep

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver/udev"
	"github.com/kvaccel/kvaccel/host/aside"
)

// NewUdev builds "kvaccel udev".
func NewUdev(env *cli.Env) *cobra.Command {
	var install bool
	var dir string
	cmd := &cobra.Command{
		Use:   "udev",
		Short: "Print or install the udev rules for boards",
		Long: `udev prints the rules that let people open boards without being root: whoever sits at the
machine (uaccess, which is why the file's name sorts before 71-seat.rules), and the members of
the group ` + udev.Group + `, for those who come by SSH. With --install it writes them, as root.`,
		Example: "  kvaccel udev\n  sudo kvaccel udev --install",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := filepath.Join(dir, filepath.Base(udev.Path))
			if install {
				if err := write(cmd.Context(), path); err != nil {
					return err
				}
				env.Note("written; boards that are plugged in get the rules when they are plugged in again%s", reload(cmd.Context()))
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "path": path, "group": udev.Group, "rules": udev.File(), "installed": install})
			}
			if install {
				_, err := fmt.Fprintln(env.Stdout, path)
				return err
			}
			_, err := io.WriteString(env.Stdout, udev.File())
			return err
		},
	}
	cmd.Flags().BoolVar(&install, "install", false, "write the rules instead of printing them")
	cmd.Flags().StringVar(&dir, "dir", filepath.Dir(udev.Path), "where rules belong")
	return cmd
}

func write(ctx context.Context, path string) error {
	return aside.WriteFile(ctx, path, func(w io.Writer) error {
		_, err := io.WriteString(w, udev.File())
		return err
	})
}

// reload has udev read its rules, and says what to do if that fails.
func reload(ctx context.Context) string {
	if err := exec.CommandContext(ctx, "udevadm", "control", "--reload").Run(); err != nil {
		return fmt.Sprintf(" (udevadm control --reload failed: %v; run it yourself)", err)
	}
	return ""
}
