"""Forms that exporters write: scikit-learn (skl2onnx), LightGBM and XGBoost (onnxmltools), CatBoost."""

import os
import tempfile

import catboost
import lightgbm
import numpy as np
import onnxmltools
import pandas
import skl2onnx
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloat
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
                              GradientBoostingRegressor, IsolationForest, RandomForestClassifier,
                              RandomForestRegressor, StackingClassifier, VotingClassifier)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from form import (CHANNELS, COUNTRIES, NAMES, Form, column, flat, of_map, one_input, one_minus, scaled, sigmoid, summed, text,
                  transactions, with_texts)

OPSET = {"": 17, "ai.onnx.ml": 3}


def forms():
    rows, is_fraud = transactions()
    yield from of_sklearn(rows, is_fraud)
    yield from of_other_outputs(rows, is_fraud)
    yield from of_columns()
    yield from of_boosters(rows, is_fraud)


def to_onnx(model, types=None, **options):
    types = types or [("input", FloatTensorType([None, 4]))]
    options = {id(model): {"zipmap": False, **options}} if hasattr(model, "predict_proba") else None
    return skl2onnx.convert_sklearn(model, initial_types=types, options=options, target_opset=OPSET).SerializeToString()


def sklearn_form(name, form, model, rows, **other):
    given = {"output": ['tensor = "probabilities"', "column = 1"], "tensor": "probabilities", "scores": column(1),
             "feed": one_input("input"), **other}
    return Form(name, "skl2onnx", form, model, rows=rows, **given)


def of_sklearn(rows, is_fraud):
    label = is_fraud.astype(int)
    scaler = StandardScaler()
    kinds = {
        "logistic": make_pipeline(scaler, LogisticRegression()),
        "forest": RandomForestClassifier(n_estimators=12, max_depth=5, random_state=1),
        "extra-trees": ExtraTreesClassifier(n_estimators=12, max_depth=5, random_state=1),
        "tree": DecisionTreeClassifier(max_depth=5, random_state=1),
        "boosting": GradientBoostingClassifier(n_estimators=20, random_state=1),
        "mlp": make_pipeline(scaler, MLPClassifier((8,), max_iter=60, random_state=1)),
        "bayes": GaussianNB(),
        "sgd": make_pipeline(scaler, SGDClassifier(loss="log_loss", random_state=1)),
        "ada": AdaBoostClassifier(n_estimators=8, random_state=1),
        "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=4), n_estimators=5, random_state=1),
        "calibrated": CalibratedClassifierCV(DecisionTreeClassifier(max_depth=4, random_state=1), cv=2),
        "voting": VotingClassifier([("t", DecisionTreeClassifier(max_depth=4, random_state=1)), ("b", GaussianNB())],
                                   voting="soft", flatten_transform=False),
        "stacking": StackingClassifier([("t", DecisionTreeClassifier(max_depth=4, random_state=1)), ("b", GaussianNB())], cv=2),
        "min-max": make_pipeline(MinMaxScaler(), LogisticRegression()),
    }
    for name, model in kinds.items():
        model.fit(rows, label)
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        options = {id(model): {"zipmap": False}}
        exported = skl2onnx.convert_sklearn(model, initial_types=[("input", FloatTensorType([None, 4]))], options=options,
                                            target_opset=OPSET).SerializeToString()
        yield sklearn_form(f"sklearn-{name}", f"[N, 2] of {type(last).__name__}", exported, rows)
    holes = rows.copy()
    holes[::7, 1] = np.nan
    imputed = make_pipeline(SimpleImputer(strategy="median"), RandomForestClassifier(n_estimators=10, max_depth=5, random_state=2))
    yield sklearn_form("sklearn-imputer", "missing values filled in in the graph", to_onnx(imputed.fit(holes, label)), holes,
                       missing="nan")


def of_other_outputs(rows, is_fraud):
    label = is_fraud.astype(int)
    types = [("input", FloatTensorType([None, 4]))]
    logistic = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, label)
    mapped = skl2onnx.convert_sklearn(logistic, initial_types=types, target_opset=OPSET).SerializeToString()
    yield sklearn_form("sklearn-zipmap", "a list of maps", mapped, rows, output=["class = 1"], tensor="output_probability",
                       scores=of_map(1))
    raw = skl2onnx.convert_sklearn(logistic, initial_types=types, target_opset=OPSET,
                                   options={id(logistic): {"zipmap": False, "raw_scores": True}}).SerializeToString()
    yield sklearn_form("sklearn-logits", "[N, 2] logits, sigmoid", raw, rows, scores=sigmoid(column(1)), plain=False,
                       output=['tensor = "probabilities"', "column = 1", 'activation = "sigmoid"'])
    texts = np.where(is_fraud, "fraud", "legit")
    forest = to_onnx(RandomForestClassifier(n_estimators=10, max_depth=4, random_state=3).fit(rows, texts))
    yield sklearn_form("sklearn-text-labels", "a class that is a text", forest, rows, output=['class = "fraud"'],
                       scores=column(0))
    yield sklearn_form("sklearn-one-minus", "1 less another class", forest, rows, output=['class = "legit"', "one_minus = true"],
                       scores=one_minus(column(1)))
    several = np.where(is_fraud, np.where(rows[:, 3] < 12, "stolen", "lost"), "legit")
    many = to_onnx(RandomForestClassifier(n_estimators=10, max_depth=4, random_state=4).fit(rows, several))
    yield sklearn_form("sklearn-sum", "two classes of three, summed up", many, rows, output=['class = ["lost", "stolen"]'],
                       scores=summed(1, 2))
    isolation = IsolationForest(n_estimators=20, max_samples=64, random_state=5).fit(rows)
    anomaly = skl2onnx.convert_sklearn(isolation, initial_types=types, target_opset={"": 17, "ai.onnx.ml": 3})
    yield sklearn_form("sklearn-isolation", "[N, 1] anomaly scores, scaled", anomaly.SerializeToString(), rows, tensor="scores",
                       output=['tensor = "scores"', "scale = { zero = 0.2, one = -0.3 }"], scores=scaled(0.2, -0.3),
                       plain=False)
    one_class = make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)).fit(rows[:600])
    anomaly = skl2onnx.convert_sklearn(one_class, initial_types=types, target_opset=OPSET).SerializeToString()
    yield sklearn_form("sklearn-one-class", "[N, 1] distances, scaled", anomaly, rows, tensor="scores", plain=False,
                       output=['tensor = "scores"', "scale = { zero = 20.0, one = -60.0 }"], scores=scaled(20.0, -60.0))
    yield from of_regressors(rows, label)


def of_regressors(rows, label):
    types = [("input", FloatTensorType([None, 4]))]
    regressed = {"output": [], "tensor": "variable", "scores": flat}
    forest = RandomForestRegressor(n_estimators=12, max_depth=5, random_state=7).fit(rows, label)
    yield sklearn_form("sklearn-regressor", "[N, 1], the only output", to_onnx(forest, types), rows, **regressed)
    percent = GradientBoostingRegressor(n_estimators=15, random_state=8).fit(rows, label * 100)
    yield sklearn_form("sklearn-percent", "[N, 1] of 0 to 100, scaled", to_onnx(percent, types), rows, tensor="variable",
                       output=["scale = { zero = 0.0, one = 100.0 }"], scores=scaled(0.0, 100.0), plain=False)
    line = make_pipeline(StandardScaler(), LinearRegression()).fit(rows, label)
    yield sklearn_form("sklearn-regression", "[N, 1] that overshoots, cut off", to_onnx(line, types), rows, tensor="variable",
                       output=["scale = { zero = 0.0, one = 1.0 }"], scores=scaled(0.0, 1.0), plain=False)
    double = LogisticRegression(max_iter=500).fit(rows, label)
    yield sklearn_form("sklearn-double", "float64 inputs", to_onnx(double, [("input", DoubleTensorType([None, 4]))]), rows,
                       feed=lambda rows: {"input": rows.astype(np.float64)})
    whole = np.floor(rows)
    tree = DecisionTreeClassifier(max_depth=5, random_state=9).fit(whole, label)
    yield sklearn_form("sklearn-int64", "int64 inputs", to_onnx(tree, [("input", Int64TensorType([None, 4]))]), whole,
                       feed=lambda rows: {"input": rows.astype(np.int64)})


TEXTS = {"country": COUNTRIES, "channel": CHANNELS}


def frame(rows):
    """The columns as training has them: numbers, and texts of the codes behind them."""
    columns = {name: rows[:, at] for at, name in enumerate(NAMES)}
    columns |= {name: text(rows[:, 4 + at], texts) for at, (name, texts) in enumerate(TEXTS.items())}
    return pandas.DataFrame({name: pandas.Series(values, dtype=object if name in TEXTS else None)
                             for name, values in columns.items()})


def column_feed(rows):
    feed = {name: rows[:, at : at + 1] for at, name in enumerate(NAMES)}
    return feed | {name: text(rows[:, 4 + at], texts).reshape(-1, 1) for at, (name, texts) in enumerate(TEXTS.items())}


def of_columns():
    rows, is_fraud = with_texts()
    label = is_fraud.astype(int)
    features = [(name, None) for name in NAMES] + list(TEXTS.items())
    types = [(name, FloatTensorType([None, 1])) for name in NAMES]
    types += [(name, StringTensorType([None, 1])) for name in TEXTS]
    lists = [COUNTRIES, CHANNELS]
    hot = OneHotEncoder(categories=lists, handle_unknown="ignore")
    places = OrdinalEncoder(categories=lists, handle_unknown="use_encoded_value", unknown_value=-1)
    kinds = {
        "logistic": (hot, StandardScaler(), LogisticRegression(max_iter=300)),
        "forest": (hot, "passthrough", RandomForestClassifier(n_estimators=10, max_depth=5, random_state=1)),
        "boosting": (places, "passthrough", GradientBoostingClassifier(n_estimators=15, random_state=1)),
    }
    for name, (encoder, numbers, last) in kinds.items():
        parts = [("numbers", numbers, NAMES), ("texts", encoder, list(TEXTS))]
        model = make_pipeline(ColumnTransformer(parts), last).fit(frame(rows), label)
        exported = skl2onnx.convert_sklearn(model, initial_types=types, options={id(last): {"zipmap": False}},
                                            target_opset=OPSET).SerializeToString()
        yield sklearn_form(f"columns-{name}", f"one tensor per column, texts by {type(encoder).__name__}", exported, rows,
                           features=features, feed=column_feed)
    model = make_pipeline(ColumnTransformer([("n", StandardScaler(), [0, 1, 2, 3]), ("t", hot, [4, 5])]),
                          LogisticRegression(max_iter=300)).fit(frame(rows).to_numpy(dtype=object), label)
    grouped = [("numbers", FloatTensorType([None, 4])), ("texts", StringTensorType([None, 2]))]
    exported = skl2onnx.convert_sklearn(model, initial_types=grouped, options={id(model.steps[-1][1]): {"zipmap": False}},
                                        target_opset=OPSET).SerializeToString()

    def feed(rows):
        by_column = column_feed(rows)
        return {"numbers": rows[:, :4], "texts": np.concatenate([by_column[name] for name in TEXTS], axis=1)}

    yield sklearn_form("columns-grouped", "a tensor of numbers and one of texts", exported, rows, features=features, feed=feed)


def of_boosters(rows, is_fraud):
    label, holes = is_fraud.astype(int), rows.copy()
    holes[::5, 1] = np.nan
    types = [("input", MlFloat([None, 4]))]
    several = np.where(is_fraud, np.where(rows[:, 3] < 12, 2, 1), 0)

    def of(name, exporter, form, model, rows=holes, **other):
        given = {"output": ['tensor = "probabilities"', "class = 1"], "tensor": "probabilities", "scores": column(1),
                 "feed": one_input("input"), "missing": "nan", **other}
        return Form(name, exporter, form, model, rows=rows, **given)

    def lightgbm_of(zipmap=False, label=label, **options):
        model = lightgbm.LGBMClassifier(n_estimators=15, num_leaves=7, verbose=-1, random_state=1, **options).fit(holes, label)
        return onnxmltools.convert_lightgbm(model, initial_types=types, zipmap=zipmap, target_opset=15).SerializeToString()

    name = "onnxmltools, LightGBM"
    yield of("lightgbm", name, "[N, 2], missing values by the trees", lightgbm_of())
    yield of("lightgbm-zipmap", name, "a list of maps", lightgbm_of(zipmap=True), scores=of_map(1))
    yield of("lightgbm-classes", name, "two classes of three, summed up", lightgbm_of(label=several), output=["class = [1, 2]"],
             scores=summed(1, 2))
    yield of("lightgbm-dart", name, "[N, 2] of dropped trees", lightgbm_of(boosting_type="dart"))
    trained = xgboost.XGBClassifier(n_estimators=15, max_depth=4, random_state=1).fit(holes, label)
    exported = onnxmltools.convert_xgboost(trained, initial_types=types, target_opset=15).SerializeToString()
    yield of("xgboost", "onnxmltools, XGBoost", "[N, 2], missing values by the trees", exported)
    trained = xgboost.XGBClassifier(n_estimators=10, max_depth=3, random_state=1).fit(holes, several)
    exported = onnxmltools.convert_xgboost(trained, initial_types=types, target_opset=15).SerializeToString()
    yield of("xgboost-classes", "onnxmltools, XGBoost", "1 less the class of others", exported, scores=one_minus(column(0)),
             output=["class = 0", "one_minus = true"])
    for name, label in [("catboost", label), ("catboost-classes", several)]:
        trained = catboost.CatBoostClassifier(iterations=20, depth=4, random_seed=1, verbose=False, allow_writing_files=False,
                                              thread_count=1).fit(rows, label)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            trained.save_model(path, format="onnx")
            with open(path, "rb") as file:
                exported = file.read()
        yield of(name, "CatBoost", "a list of maps", exported, rows=rows, missing="reject", scores=of_map(1),
                 feed=one_input("features"))
