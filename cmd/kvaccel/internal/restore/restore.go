// Package restore has the verb that gives the rows of a compressed cache back.
package restore

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/compress"
)

// New builds "kvaccel restore".
func New(env *cli.Env) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "restore CACHE -o TRACE",
		Short: "Restore the rows of a compressed cache",
		Long: `restore decodes a cache written by "kvaccel run -o" on an engine. TRACE gets, per layer
and head, layers.{l}.heads.{h}.k and .v (F16 [T', D]) and .positions (I64 [T'],
ascending), T' being the rows kept. Rows of the residual window come back bit for bit.`,
		Example: `  kvaccel run -o cache.safetensors
  kvaccel restore cache.safetensors -o restored.safetensors`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if out == "" {
				return cli.Usage(errors.New("restore needs -o TRACE: the file to write the rows to"))
			}
			if err := aside.Check(out); err != nil {
				return err
			}
			c, err := cache.Read(args[0])
			if err != nil {
				return err
			}
			dev, err := env.Open(ctx)
			if err != nil {
				return err
			}
			defer dev.Close()
			report, finish := env.Progress("restoring")
			res, err := compress.Restore(ctx, dev, c, func(p compress.Progress) { report(p.Done, p.Total) })
			finish()
			if err != nil {
				return err
			}
			if err := res.Write(ctx, out); err != nil {
				return err
			}
			if env.JSON {
				return env.PrintJSON(res)
			}
			fmt.Fprintf(env.Stdout, "%s: %d of %d tokens of %d layers x %d KV heads restored in %d engine cycles\n",
				out, res.TokensKept, res.Prefix, res.NumLayers, res.KVHeads, res.Cycles.Total)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write the restored rows to (safetensors)")
	return cmd
}
